import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { glanceNeeds } from '../../src/cloud.ts'
import { testWith } from '../../src/require.ts'
import { startWideCloud } from '../../src/wide-cloud.ts'

t.setTimeout(300_000)

type Glance = Awaited<ReturnType<typeof startWideCloud>>['admin']

/** The commands that change and take away what the namespace holds. */
async function changeEach(t: Test, admin: Glance, member: Glance) {
  const ns = 'Site::CPU'
  await admin.ok('md-namespace-update', '--description', 'of ours', ns)
  t.match(await member.ok('md-namespace-show', ns), 'of ours')
  t.match(await member.ok('md-namespace-list', '--visibility', 'public'), ns)
  t.match(await member.ok('md-namespace-list', '--resource-types', 'OS::Glance::Image'), ns)
  await admin.ok('md-property-update', ns, 'cores', '--name', 'cores', '--title', 'How many')
  t.match(await member.ok('md-property-list', ns), 'How many')
  const object = JSON.stringify({
    name: 'Limits',
    properties: { shares: { title: 'Shares', type: 'number' } }
  })
  await admin.ok('md-object-update', ns, 'Limits', '--schema', object)
  t.match(await member.ok('md-object-show', ns, 'Limits'), 'shares')
  t.match(await member.ok('md-object-property-show', ns, 'Limits', 'shares'), 'number')
  await admin.ok('md-tag-update', ns, 'slow', '--name', 'faster')
  t.match(await member.ok('md-tag-show', ns, 'faster'), 'faster')
  await admin.ok('md-tag-delete', ns, 'faster')
  t.notMatch(await member.ok('md-tag-list', ns), 'faster')
  await admin.ok('md-namespace-tags-delete', ns)
  t.notMatch(await member.ok('md-tag-list', ns), 'slower')
  t.match(await member.ok('md-resource-type-list'), 'OS::Glance::Image')
  await admin.ok('md-resource-type-deassociate', ns, 'OS::Glance::Image')
  t.notMatch(await member.ok('md-namespace-resource-type-list', ns), 'OS::Glance::Image')
  await admin.ok('md-property-delete', ns, 'cores')
  t.notMatch(await member.ok('md-property-list', ns), 'cores')
  await admin.ok('md-object-delete', ns, 'Limits')
  t.notMatch(await member.ok('md-object-list', ns), 'Limits')
  await admin.ok('md-namespace-properties-delete', ns)
  await admin.ok('md-namespace-objects-delete', ns)
}

await testWith(t, 'CLI4 glance: metadata definitions', glanceNeeds, async (t) => {
  const { folder, admin, member } = await startWideCloud(t)
  const title = JSON.stringify({ title: 'CPU', type: 'integer' })
  await member.denied('md-namespace-create', 'Site::CPU', '--visibility', 'public')
  await admin.ok('md-namespace-create', 'Site::CPU', '--visibility', 'public')
  t.match(await member.ok('md-namespace-list'), 'Site::CPU')
  const cores = ['--name', 'cores', '--title', 'Cores', '--schema', title]
  await admin.ok('md-property-create', 'Site::CPU', ...cores)
  t.match(await member.ok('md-property-show', 'Site::CPU', 'cores'), /integer/)
  const object = JSON.stringify({
    name: 'Limits',
    properties: { shares: { title: 'S', type: 'integer' } }
  })
  await admin.ok('md-object-create', 'Site::CPU', '--name', 'Limits', '--schema', object)
  t.match(await member.ok('md-object-list', 'Site::CPU'), 'Limits')
  await admin.ok('md-tag-create', 'Site::CPU', '--name', 'fast')
  await admin.ok('md-tag-create-multiple', 'Site::CPU', '--names', 'slow,slower')
  t.match(await member.ok('md-tag-list', 'Site::CPU'), /slow[\s\S]*slower/)
  await admin.ok('md-resource-type-associate', 'Site::CPU', '--name', 'OS::Glance::Image')
  t.match(await member.ok('md-namespace-resource-type-list', 'Site::CPU'), 'OS::Glance::Image')
  t.match(
    await member.ok('md-namespace-show', 'Site::CPU'),
    /Limits[\s\S]*cores|cores[\s\S]*Limits/
  )
  await changeEach(t, admin, member)
  await member.denied('md-namespace-delete', 'Site::CPU')
  await admin.ok('md-namespace-delete', 'Site::CPU')
  t.notMatch(await member.ok('md-namespace-list'), 'Site::CPU')
  const file = join(folder, 'namespace.json')
  await writeFile(file, JSON.stringify({ namespace: 'Site::Disk', tags: [{ name: 'quick' }] }))
  await admin.ok('md-namespace-import', '--file', file)
  t.match(await admin.ok('md-tag-list', 'Site::Disk'), 'quick')
  t.not((await member.run('md-namespace-show', 'Site::Disk')).code, 0, 'private to another project')
})
