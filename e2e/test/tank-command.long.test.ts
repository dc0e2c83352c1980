import { execFileSync } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { MiB, pattern, patternDigest } from '../src/bytes.ts'
import { startAlone } from '../src/cluster.ts'
import { command } from '../src/command.ts'
import { testWith } from '../src/require.ts'
import { missingMounts, smallDisk } from '../src/small-disk.ts'
import { program, tempFolder } from '../src/tank.ts'

t.setTimeout(300_000)

const { tank } = await startAlone(t)
const folder = await tempFolder(t)
const env = { PATH: process.env.PATH ?? '', HOME: folder, TANK_URL: tank.url }
const run = (args: readonly string[], cwd = folder) =>
  command(process.execPath, [program, ...args], { env, cwd })
/** A line of a shell, in which `tank` is the command. */
const shell = (line: string) => {
  const define = `tank() { '${process.execPath}' '${program}' "$@"; }`
  return command('bash', ['-o', 'pipefail', '-c', `${define}\n${line}`], { env, cwd: folder })
}

const SIZE = 24 * MiB
await pipeline(pattern({ size: SIZE }), createWriteStream(join(folder, 'disk.raw')))
t.match(await run(['push', 'disk.raw', '-q']), { code: 0 })

await testWith(t, 'pull onto a disk that fills up', [missingMounts()], async (t) => {
  const disk = await smallDisk(t, 16)
  const target = join(disk, 'disk.raw')
  for (const more of [[], ['--parallel', '4']]) {
    const full = await run(['pull', 'disk', '-o', target, ...more])
    t.match(full, { code: 1, stderr: /the disk is full: .*Make room, or choose another place/ })
    t.notOk((await readdir(disk)).includes('disk.raw'), 'nothing bears the final name')
    execFileSync('mount', ['-o', 'remount,size=64m', disk])
    const resumed = await run(['pull', 'disk', '-o', target, ...more])
    t.match(resumed, { code: 0 }, 'when there is room, it goes on')
    t.same(await readdir(disk), ['disk.raw'], 'and nothing else is left')
    const digest = await shell(`sha256sum < ${target}`)
    t.match(digest.stdout, patternDigest(SIZE))
    await shell(`rm ${target}`)
    execFileSync('mount', ['-o', 'remount,size=16m', disk])
  }
})

t.test('pipes of unknown length, in and out', async (t) => {
  const pushed = await shell('cat disk.raw | tank push - --name piped -o value -c size')
  t.match(pushed, { code: 0, stdout: `${SIZE}\n` })
  const pulled = await shell('tank pull piped -o - | sha256sum')
  t.match(pulled, { code: 0, stdout: patternDigest(SIZE) })
  const unpacked = await shell(
    'gzip -1c disk.raw | gzip -dc | tank push - --name unpacked -o value -c disk_format'
  )
  t.match(unpacked, { code: 0, stdout: 'raw\n' })
  const cut = await shell('tank pull piped -o - | head -c 1000 | wc -c')
  t.match(cut.stdout, '1000', 'who reads no further ends it')
})
