import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { keystoneNeeds } from '../../src/cloud.ts'
import { testWith } from '../../src/require.ts'
import { startWideCloud } from '../../src/wide-cloud.ts'

t.setTimeout(900_000)

const digest = (data: Buffer, algorithm: string) => createHash(algorithm).update(data).digest('hex')

const CREATE_AND_READ = `
import json, sys, openstack
from openstack import exceptions
who, source, target = sys.argv[1:4]
cloud = openstack.connect(cloud=who)
def create():
    return cloud.create_image('built', filename=source, wait=True, validate_checksum=True,
        disk_format='raw', container_format='bare', tags=['nightly'], os_distro='debian')
first = create()
second = create()
cloud.image.download_image(cloud.image.find_image('built'), output=target)
shown = cloud.image.get_image(first.id)
try:
    cloud.image.get_image('00000000-0000-0000-0000-000000000000')
    absent = False
except exceptions.ResourceNotFound:
    absent = True
pages = [image.id for image in cloud.image.images(limit=1)]
print(json.dumps(dict(first=first.id, second=second.id, status=shown.status, tags=shown.tags,
    checksum=shown.checksum, sha256=shown.hash_value, distro=shown.os_distro,
    md5=shown.properties.get('owner_specified.openstack.md5'),
    absent=absent, pages=pages, stores=[store.id for store in cloud.image.stores()])))
`

await testWith(t, 'CLI5 openstacksdk: create, find again, verify', keystoneNeeds, async (t) => {
  const { folder, file, bytes, openstack, sdk } = await startWideCloud(t)
  await openstack.ok('image', 'create', 'another')
  const target = join(folder, 'out.raw')
  const seen = await sdk('member', CREATE_AND_READ, file, target)
  t.match(seen, {
    status: 'active',
    tags: ['nightly'],
    distro: 'debian',
    checksum: digest(bytes, 'md5'),
    sha256: digest(bytes, 'sha256'),
    md5: digest(bytes, 'md5'),
    absent: true
  })
  t.equal(seen.second, seen.first, 'the same file again finds the image as it is')
  t.equal(seen.pages.length, 2, 'pages of one lead through all')
  t.same(seen.stores.sort(), ['files', 'other', 'web'])
  t.ok((await readFile(target)).equals(bytes))
})
