import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startCloud } from './cloud.ts'
import { countingStore } from './counting-store.ts'
import { openMirror } from './mirror.ts'
import { until } from './wait.ts'

/** What `glance image-create` has to know of an image with data. */
export const RAW = ['--disk-format', 'raw', '--container-format', 'bare']
/** The id in a table that the `glance` command prints. */
export const idOf = (table: string) => /\| id +\| ([0-9a-f-]{36})/.exec(table)?.[1] ?? 'no id'

/**
 * Tank with two stores on its disks, one that passes for remote and one that reads the web, with a cache
 * and limits; a file, and a page of the web with its bytes.
 */
export async function startWideCloud(t: Test, api: object = {}) {
  const bytes = randomBytes(2_000_000)
  const mirror = await openMirror(t, bytes)
  const web = {
    use: '@tank/store-http',
    allowHttp: true,
    allow: ['127.0.0.1'],
    ports: [Number(new URL(mirror).port)]
  }
  const folder = t.testdir({ a: {}, b: {}, c: {} })
  const reads = join(folder, 'reads')
  const stores = {
    files: { use: '@tank/store-fs', root: join(folder, 'a'), description: 'this machine' },
    other: { use: '@tank/store-fs', root: join(folder, 'b') },
    far: { use: countingStore, root: join(folder, 'c'), counter: reads },
    web
  }
  const imports = { methods: ['glance-direct', 'web-download', 'copy-image'] }
  const cloud = await startCloud(
    t,
    { stores, defaultStore: 'files', imports, cache: {}, ...api },
    { quotas: { images: 50, bytes: 2 ** 30, uploads: 10 } }
  )
  const file = join(cloud.folder, 'in.raw')
  await writeFile(file, bytes)
  const [admin, member, reader] = [
    cloud.glance('admin'),
    cloud.glance('member'),
    cloud.glance('reader')
  ]
  const openstack = cloud.as('member')
  const active = (id: string) =>
    until(`${id} is active`, 60_000, async () => {
      const image = await openstack.json('image', 'show', id)
      return image.status === 'active' && !('os_glance_import_task' in image.properties)
        ? image
        : undefined
    })
  return {
    ...cloud,
    files: stores.files.root,
    reads,
    bytes,
    mirror,
    file,
    admin,
    member,
    reader,
    openstack,
    active
  }
}
