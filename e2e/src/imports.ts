import { createHash } from 'node:crypto'
import type { FakeStore } from './fake-store.ts'
import { ADMIN, type JsonAnswer, P1, type Stack, type Who } from './stack.ts'
import { until } from './wait.ts'

export const digest = (bytes: Buffer, algorithm = 'sha256') =>
  createHash(algorithm).update(bytes).digest('hex')

/** Whether a store holds these bytes under any key. */
export const holds = (store: FakeStore, bytes: Buffer) =>
  [...store.bytes.values()].some((stored) => stored.equals(bytes))

export const show = async (stack: Stack, id: string) =>
  (await stack.json(ADMIN, 'GET', `/v2/images/${id}`)).body

export const tasks = async (stack: Stack, id: string) =>
  (await stack.json(ADMIN, 'GET', `/v2/images/${id}/tasks`)).body.tasks

/** Asks for an import by the method of this name. */
export const importBy = (
  stack: Stack,
  id: string,
  method: Readonly<Record<string, unknown>> & { readonly name: string },
  more: object = {},
  who: Who = P1
): Promise<JsonAnswer> => stack.json(who, 'POST', `/v2/images/${id}/import`, { method, ...more })

/** Waits until no import holds the image. */
export const over = (stack: Stack, id: string) =>
  until(`the import of ${id} is over`, 15_000, async () => {
    const image = await show(stack, id)
    return 'os_glance_import_task' in image ? undefined : image
  })

/** A promise and what settles it. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}
