import type { UploadOptions } from '@tank/client'
import { createProgress } from '../output/progress.ts'
import type { Session } from '../remote/session.ts'
import type { Source } from './source.ts'

/** Runs a transfer under a progress bar. */
export async function showingProgress<T>(
  { call }: Session,
  title: string,
  run: (onProgress: NonNullable<UploadOptions['onProgress']>) => Promise<T>
): Promise<T> {
  const quiet = call.values.quiet === true
  const progress = createProgress({ stream: call.streams.stderr, title, quiet })
  try {
    const result = await run(progress.update)
    progress.finish()
    return result
  } catch (error) {
    progress.clear()
    throw error
  }
}

/** Sends the bytes of an image. */
export async function sendBytes(
  session: Session,
  id: string,
  title: string,
  source: Source,
  options: Pick<UploadOptions, 'store'>
): Promise<void> {
  const { tank, signal } = session
  const { size } = source
  await showingProgress(session, title, (onProgress) =>
    tank.upload(id, source.from, { size, signal, onProgress, ...options })
  )
}
