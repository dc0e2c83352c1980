import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  createImage,
  data,
  download,
  endless,
  folder,
  type Program,
  programs,
  run,
  serve,
  sleep,
  statusOf,
  stop,
  upload
} from './programs.ts'

t.setTimeout(300_000)

t.test('tank serve: the first minute, an orderly end, further starts', async (t) => {
  const dataDir = join(folder(t), 'data')
  const first = await serve(dataDir)
  const id = await createImage(first.url)
  t.equal((await upload(first.url, id, data)).status, 204)
  t.same(await download(first.url, id), data)
  t.equal((await fetch(`${first.url}/versions`)).status, 200)
  t.equal((await fetch(`${first.url}/readyz`)).status, 200)
  t.match(
    first.out(),
    /Tank serves images at http:[\s\S]*curl [\s\S]*curl [\s\S]*curl [\s\S]*Ctrl-C/
  )
  t.ok(first.out().includes(dataDir), 'it says where the data lies')
  const second = await serve(dataDir)
  t.equal(await second.exit, 1)
  t.match(second.err(), /in use by another tank \(process \d+\)/)
  t.notMatch(first.err() + first.out(), /Bearer|secret/i, 'S-02 no secrets')
  t.equal(await stop(first), 0)
  t.notOk(existsSync(join(dataDir, 'tank.lock')))
  const again = await serve(dataDir)
  t.same(await download(again.url, id), data)
  await stopInTransfer(t, again)
  await cutTransfer(t, await serve(dataDir))
})

async function stopInTransfer(t: Test, program: Program): Promise<void> {
  const id = await createImage(program.url)
  const slow = new ReadableStream({
    start: async (controller) => {
      controller.enqueue(data.subarray(0, 100_000))
      await sleep(1500)
      controller.enqueue(data.subarray(100_000))
      controller.close()
    }
  })
  const uploading = upload(program.url, id, slow)
  while ((await statusOf(program.url, id)) !== 'saving') await sleep(20)
  // as when Ctrl-C ends what its output is piped to
  for (const stream of [program.child.stdout, program.child.stderr]) stream?.destroy()
  program.child.kill('SIGINT')
  t.equal((await uploading).status, 204, 'stopping lets a transfer finish')
  t.equal(await program.exit, 0)
}

async function cutTransfer(t: Test, other: Program): Promise<void> {
  const stuck = await createImage(other.url)
  const cut = upload(other.url, stuck, endless(t)).then(
    ({ status }) => status,
    () => 'cut'
  )
  while ((await statusOf(other.url, stuck)) !== 'saving') await sleep(20)
  other.child.kill('SIGINT')
  await sleep(500)
  t.equal(other.child.exitCode, null, 'it waits')
  other.child.kill('SIGINT')
  t.equal(await other.exit, 0)
  t.not(await cut, 204, 'a second signal cuts it')
}

t.test('faults at the start are told in a sentence, and leave nothing running', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const dataDir = join(folder(t), 'data')
  const args = ['serve', '--data-dir', dataDir]
  const program = await run('tank', [...args, '--port', String(port)])
  t.equal(await program.exit, 1)
  t.match(program.err(), /port \d+ is in use by another program. Choose another with --port/)
  taken.close()
  t.notOk(existsSync(join(dataDir, 'postgres')), 'told before anything is made')
  const config = join(folder(t), 'tank.yaml')
  writeFileSync(config, 'api: { stores: { main: { use: absent-store } } }')
  const absent = await run('tank', [...args, '--port', '0', '--config', config])
  t.equal(await absent.exit, 1)
  t.match(absent.err(), /absent-store was found neither/)
  t.notOk(existsSync(join(dataDir, 'postgres/postmaster.pid')))
  t.notOk(existsSync(join(dataDir, 'tank.lock')))
})

t.test('a signal during the start ends in order', async (t) => {
  const dataDir = join(folder(t), 'data')
  const starting = serve(dataDir)
  while (!existsSync(join(dataDir, 'postgres.new'))) await sleep(10)
  for (const child of programs) child.kill('SIGTERM')
  const program = await starting
  t.equal(await program.exit, 0)
  t.equal(program.url, '')
  t.notOk(existsSync(join(dataDir, 'tank.lock')))
})
