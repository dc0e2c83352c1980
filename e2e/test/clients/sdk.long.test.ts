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
  t.same(seen.stores.sort(), ['far', 'files', 'other', 'web'])
  t.ok((await readFile(target)).equals(bytes))
})

const VERIFY_DOWNLOADS = `
import json, pathlib, sys, openstack
from openstack import exceptions
who, source, target, root = sys.argv[1:5]
cloud = openstack.connect(cloud=who)
made = cloud.create_image('own', filename=source, wait=True, disk_format='raw', container_format='bare',
    md5='0' * 32, sha256='1' * 64, tags=['a', 'b'], meta=dict(cores='2'), min_ram=64)
shown = cloud.image.get_image(made.id)
chunks = cloud.image.download_image(made, stream=True)
streamed = sum(len(chunk) for chunk in chunks.iter_content(65536))
def broken():
    for path in pathlib.Path(root).rglob('*'):
        if path.is_file():
            with open(path, 'r+b') as data:
                data.write(b'x' * 9)
    try:
        cloud.image.download_image(made, output=target)
        return False
    except exceptions.SDKException as error:
        return str(error)
def refused():
    try:
        cloud.create_image('wrong', filename=source, md5='0' * 32, validate_checksum=True, disk_format='raw',
            container_format='bare', wait=True)
        return False
    except exceptions.SDKException as error:
        return str(error)
print(json.dumps(dict(md5=shown.properties.get('owner_specified.openstack.md5'),
    sha256=shown.properties.get('owner_specified.openstack.sha256'), tags=sorted(shown.tags),
    cores=shown.properties.get('cores'), streamed=streamed, refused=refused(), broken=broken(),
    names=sorted(image.name for image in cloud.image.images()))))
`

await testWith(t, 'CLI5 openstacksdk: digests that do not agree', keystoneNeeds, async (t) => {
  const { folder, file, bytes, sdk, files } = await startWideCloud(t)
  const seen = await sdk('member', VERIFY_DOWNLOADS, file, join(folder, 'out.raw'), files)
  t.match(seen, { md5: '0'.repeat(32), sha256: '1'.repeat(64), tags: ['a', 'b'], cores: '2' })
  t.equal(seen.streamed, bytes.length)
  t.match(seen.refused, /checksum/i, 'the data is another than its digest says')
  t.match(seen.broken, 'InvalidResponse', 'the store has lost what was there')
  t.same(seen.names, ['own'], 'what could not be verified was taken away')
})

const EVERY_CALL = `
import json, sys, openstack
from openstack import exceptions, resource
who, source = sys.argv[1:3]
cloud = openstack.connect(cloud=who)
image = cloud.image
made = image.create_image('one', filename=source, disk_format='raw', container_format='bare',
    use_import=True, wait=True)
seen = dict(status=resource.wait_for_status(image, made, 'active', [], 0.2, 60).status)
seen['methods'] = image.get('/info/import').json()['import-methods']['value']
image.update_image(made, name='two', os_distro='debian')
image.add_tag(made, 'x')
image.remove_tag(made, 'x')
shown = image.get_image(made.id)
seen.update(name=shown.name, distro=shown.os_distro, tags=shown.tags)
image.deactivate_image(made)
seen['off'] = image.get_image(made.id).status
image.reactivate_image(made)
image.update_image(made, visibility='shared')
other = sys.argv[3]
member = image.add_member(made, member_id=other)
seen['member'] = [each.status for each in image.members(made)]
seen['found'] = image.find_member(other, made).member_id == other
image.remove_member(other, made)
seen['left'] = len(list(image.members(made)))
seen['schemas'] = [get().name for get in (image.get_image_schema, image.get_images_schema,
    image.get_member_schema, image.get_members_schema, image.get_task_schema, image.get_tasks_schema)]
filters = [dict(name='two'), dict(visibility='shared'), dict(status='active'), dict(tag='x'),
    dict(size_min=1), dict(size_max=1), dict(os_hidden=True), dict(sort='name:asc', limit=1)]
seen['filters'] = [len(list(image.images(**each))) for each in filters]
try:
    list(image.tasks())
    seen['tasks'] = 'allowed'
except exceptions.HttpException as error:
    seen['tasks'] = error.status_code
image.delete_image(made)
seen['gone'] = image.find_image('two') is None
print(json.dumps(seen))
`

await testWith(t, 'CLI5 openstacksdk: every call for images', keystoneNeeds, async (t) => {
  const { file, sdk, as } = await startWideCloud(t)
  const { id: two } = await as('admin').json('project', 'show', 'two')
  t.same(await sdk('member', EVERY_CALL, file, two), {
    status: 'active',
    methods: ['glance-direct', 'web-download', 'copy-image'],
    name: 'two',
    distro: 'debian',
    tags: [],
    off: 'deactivated',
    member: ['pending'],
    found: true,
    left: 0,
    schemas: ['image', 'images', 'member', 'members', 'task', 'tasks'],
    filters: [1, 1, 1, 0, 1, 0, 0, 1],
    tasks: 403,
    gone: true
  })
})
