import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { qcow2 } from '../../src/disk-images.ts'
import { request } from '../../src/http.ts'
import { startTank, tempFolder } from '../../src/tank.ts'

const run = promisify(execFile)
const page = readFileSync(new URL('../../../../docs/api-v1.md', import.meta.url), 'utf8')

t.test('V1-02, V1-03, V1-04, V1-11: docs/api-v1.md, typed as it stands', async (t) => {
  const folder = await tempFolder(t)
  const data = join(folder, 'tank-data')
  const tank = await startTank(t, {
    command: 'serve',
    args: ['--data-dir', data],
    folder,
    mark: data
  })
  await writeFile(join(folder, 'disk.qcow2'), qcow2())
  const typed = /```sh\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
  const script = typed.replaceAll('http://127.0.0.1:9292', tank.url)
  const { stdout } = await run('bash', ['-ec', script], { cwd: folder })
  t.match(stdout, /"status": ?"active"/)
  t.match(stdout, /^x-image-meta-property-os: linux\r$/m)
  t.match(stdout, /^the same$/m)
  t.match(stdout, /"name": ?"bookworm"/)
  t.match(stdout, /"member_id": ?"PROJECT"/)
  const id = /id=([0-9a-f-]{36})/.exec(typed)?.[1] ?? ''
  const gone = await request(`${tank.url}/v1/images/${id}`, { method: 'HEAD' })
  t.match(gone, { status: 200, headers: { 'x-image-meta-status': 'deleted' } })
})
