import { spawnSync } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type FormatName, inspectFile } from '../src/index.ts'
import { qemuFollows, qemuInfo } from './fuzz/qemu.ts'
import { samples } from './samples/index.ts'
import { DESCRIPTOR, vmdk } from './samples/vmdk.ts'

const folder = process.env.TANK_TEST_IMAGES
const hasTools = ['qemu-img', 'prlimit'].every(
  (tool) => spawnSync(tool, ['--version']).status === 0
)
const missing =
  'qemu-img or prlimit is not installed, or TANK_TEST_IMAGES is not set (e2e/servers/images.sh start)'

/** What qemu calls them, where it knows them at all; all else is raw to it. */
const NAMES: Readonly<Partial<Record<FormatName, string>>> = {
  qcow2: 'qcow2',
  qed: 'qed',
  vmdk: 'vmdk',
  vdi: 'vdi',
  vhd: 'vpc',
  vhdx: 'vhdx',
  parallels: 'parallels'
}

async function compare(t: Test, path: string, name: string): Promise<boolean> {
  const report = await inspectFile(path)
  const driver = NAMES[report.format]
  const said = qemuInfo(path, driver ?? 'raw')
  if (said === undefined || report.verdict !== 'safe') return false
  t.notOk(said.isFollowing, `${name} names no other file`)
  if (driver === undefined) t.ok(said.size >= report.size, `${name} is raw to qemu`)
  else {
    t.equal(said.size, report.virtualSize, `${name}: the size of its disk`)
    // it does not look for footers of disks that are raw without them
    const found = qemuInfo(path)?.format
    if (report.subformat !== 'fixed') t.equal(found, driver, `${name}: its format`)
  }
  return true
}

if (folder !== undefined && hasTools) {
  t.test('qemu-img says the same of good images', async (t) => {
    const names = await readdir(join(folder, 'good'))
    let count = 0
    for (const name of names) if (await compare(t, join(folder, 'good', name), name)) count++
    t.ok(count > 15, `${count} images`)
  })

  t.test('qemu-img says the same of what the tests make', async (t) => {
    const path = join(t.testdir(), 'image')
    const known: string[] = []
    for (const { name, bytes } of samples()) {
      await writeFile(path, bytes)
      if (await compare(t, path, name)) known.push(name)
    }
    t.ok(known.length > 15, known.join(', '))
  })

  t.test('S-10 qemu follows what stands in a comment', async (t) => {
    const text = DESCRIPTOR.replace('# Extent', '# parentFileNameHint="/etc/x"')
    t.ok(qemuFollows(vmdk(undefined, text).bytes), 'which is why it is refused')
  })
} else if (process.env.TANK_TEST_REQUIRE === 'all') t.fail(`needed here: ${missing}`)
else t.test('qemu-img', { skip: missing }, async () => {})
