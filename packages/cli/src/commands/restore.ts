import { bytesText, table } from '../admin/sizes.ts'
import { type WithRegistry, withRegistry } from '../admin/with-registry.ts'
import { type CommandCall, FLAGS } from '../command-line.ts'
import { explain } from '../explain.ts'

async function list({ call, registry }: WithRegistry): Promise<number> {
  const waiting = await registry.listPendingDeletes()
  const rows = waiting.map(({ id, name, owner, size, deleted_at, due_at }) => [
    id,
    name ?? '-',
    owner ?? '-',
    bytesText(size),
    deleted_at,
    due_at
  ])
  call.print(table([['ID', 'NAME', 'OWNER', 'SIZE', 'DELETED', 'FOR GOOD'], ...rows]))
  return 0
}

async function restore({ call, registry }: WithRegistry): Promise<number> {
  let failed = false
  for (const id of call.words) {
    try {
      await registry.restoreImage(id)
      call.print(`${id}: restored\n`)
    } catch (error) {
      failed = true
      call.printError(`${id}: ${explain(error)}\n`)
    }
  }
  return failed ? 1 : 0
}

export const restoreCommand = {
  details:
    'Only where the registry has deleteDelaySeconds: deleted images then wait for so long, with their\n' +
    'bytes. Without an id it lists what waits.',
  words: '[ID...]',
  flags: { config: FLAGS.config, 'data-dir': FLAGS['data-dir'] },
  run: (call: CommandCall): Promise<number> =>
    withRegistry(call, call.words.length === 0 ? list : restore)
} as const
