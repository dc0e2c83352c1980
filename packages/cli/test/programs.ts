/** The programs of this package as processes, and requests to them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

export const bin = (name: string) =>
  fileURLToPath(new URL(`../src/bin/${name}.js`, import.meta.url))
export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export function folder(test: { teardown(fn: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'tank-serve-'))
  chmodSync(path, 0o755)
  test.teardown(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}

export interface Program {
  readonly child: ChildProcess
  readonly url: string
  readonly exit: Promise<number | null>
  out(): string
  err(): string
}

interface ProgramOptions {
  readonly env?: Record<string, string>
  readonly uid?: number
}

export const programs = new Set<ChildProcess>()
t.teardown(() => {
  for (const child of programs) child.kill('SIGKILL')
})

/** Runs a program until it says its URL, or ends. */
export async function run(
  name: string,
  args: readonly string[],
  options: ProgramOptions = {}
): Promise<Program> {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, [bin(name), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH, HOME, ...options.env },
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid })
  })
  programs.add(child)
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  const exit = once(child, 'close').then(([code]) => code as number | null)
  let isOver = false
  void exit.then(() => {
    isOver = true
    programs.delete(child)
  })
  const saysUrl = () => /http:\/\/127\.0\.0\.1:\d+/.exec(out)?.[0]
  while (saysUrl() === undefined && !isOver) await sleep(20)
  return { child, url: saysUrl() ?? '', exit, out: () => out, err: () => err }
}

export const serve = (dataDir: string, ...args: string[]) =>
  run('tank', ['serve', '--port', '0', '--data-dir', dataDir, ...args])

export async function stop({ child, exit }: Program): Promise<number | null> {
  child.kill('SIGTERM')
  return await exit
}

export async function createImage(url: string): Promise<string> {
  const id = randomUUID()
  const answer = await fetch(`${url}/v2/images`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ id, name: 'x', disk_format: 'raw', container_format: 'bare' })
  })
  if (answer.status !== 201) throw new Error(`create: ${answer.status} ${await answer.text()}`)
  return id
}

export const upload = (url: string, id: string, body: Buffer | ReadableStream) =>
  fetch(`${url}/v2/images/${id}/file`, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream' },
    body,
    duplex: 'half'
  } as RequestInit)

export async function download(url: string, id: string): Promise<Buffer> {
  const answer = await fetch(`${url}/v2/images/${id}/file`)
  return Buffer.from(await answer.arrayBuffer())
}

export async function statusOf(url: string, id: string): Promise<unknown> {
  const answer = await fetch(`${url}/v2/images/${id}`)
  return ((await answer.json()) as { status?: unknown }).status
}

/** A body that never comes to its end while the test runs. */
export function endless(test: { teardown(fn: () => void): void }): ReadableStream<Uint8Array> {
  let isOver = false
  test.teardown(() => {
    isOver = true
  })
  return new ReadableStream({
    pull: async (controller) => {
      // fetch reads on after its connection is gone
      if (isOver) controller.close()
      else controller.enqueue(randomBytes(65_536))
      await sleep(200)
    }
  })
}

export const data = randomBytes(300_000)
