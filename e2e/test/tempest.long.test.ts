import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import {
  keystone,
  keystoneNeeds,
  keystoneUrl,
  login,
  own,
  startWithKeystone
} from '../src/cloud.ts'
import { command } from '../src/command.ts'
import { openMirror } from '../src/mirror.ts'
import { missingVariable, testWith } from '../src/require.ts'

t.setTimeout(900_000)

const { TANK_TEST_TEMPEST: suite = '' } = process.env
const needs = [
  ...keystoneNeeds,
  missingVariable('TANK_TEST_TEMPEST', 'e2e/servers/tempest.sh start')
]

/** Registers Tank under the name of a service type for as long as the test runs. */
async function register(t: Test, token: string, type: string, url: string): Promise<void> {
  const service = { name: `${type} of Tank`, type }
  const { json } = await keystone('POST', '/services', token, { service })
  const { id } = json.service
  t.teardown(() => keystone('DELETE', `/services/${id}`, token))
  const endpoint = { service_id: id, region_id: 'RegionOne', interface: 'public', url }
  const { status } = await keystone('POST', '/endpoints', token, { endpoint })
  t.equal(status, 201, `${type} is in the catalogue`)
}

/** The suite's configuration: an administrator who makes people as needed, and what is switched on. */
function configuration(folder: string, httpImage: string): string {
  return `
[DEFAULT]
log_file = ${folder}/tempest.log
[oslo_concurrency]
lock_path = ${folder}/locks
[auth]
use_dynamic_credentials = true
tempest_roles = member
admin_username = admin
admin_password = adminpw
admin_project_name = admin
admin_domain_name = Default
[identity]
uri_v3 = ${keystoneUrl}
auth_version = v3
region = RegionOne
[image]
region = RegionOne
http_image = ${httpImage}
alternate_image_endpoint = image_remote
image_caching_enabled = true
[image-feature-enabled]
api_v1 = true
import_image = true
os_glance_reserved = true
manage_locations = true
[service_available]
glance = true
neutron = false
nova = false
cinder = false
swift = false
`
}

/** A Tank with all that the suite asks about switched on. */
async function startWithEverything(t: Test, mirror: string) {
  const roots = t.testdir({ a: {}, b: {} })
  const ports = [Number(new URL(mirror).port)]
  const owner = 'role:admin or (role:member and project_id:%(owner)s)'
  return await startWithKeystone(t, own, {
    stores: {
      a: { use: '@tank/store-fs', root: join(roots, 'a') },
      b: { use: '@tank/store-fs', root: join(roots, 'b') },
      web: { use: '@tank/store-http', allowHttp: true, allow: ['127.0.0.1'], ports }
    },
    defaultStore: 'a',
    // the suite has one case that believes in this algorithm, and one that owners may take locations away
    osHashAlgo: 'sha512',
    policy: { delete_image_location: owner },
    locations: { showMultiple: true },
    cache: { stores: ['a', 'b'] },
    // the suite takes this service for another region as well
    imports: {
      methods: ['glance-direct', 'web-download', 'copy-image', 'glance-download'],
      glanceDownload: {
        regions: {
          RegionOne: {
            keystone: { url: keystoneUrl, user: 'admin', password: 'adminpw', project: 'admin' }
          }
        }
      }
    }
  })
}

async function runSuite(folder: string) {
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    LANG: 'C.UTF-8',
    TEMPEST_CONFIG_DIR: folder,
    TEMPEST_CONFIG: 'tempest.conf'
  }
  const start = join(suite, 'api/image')
  const args = ['-m', 'unittest', 'discover', '-v', '-s', start, '-t', dirname(suite)]
  return await command('/usr/bin/python3', args, { env, cwd: folder, timeoutMs: 600_000 })
}

await testWith(t, 'CLI9 tempest: all cases of the image service', needs, async (t) => {
  const mirror = await openMirror(t, Buffer.alloc(1_000_000, 'image'))
  const tank = await startWithEverything(t, mirror)
  const { token } = await login('admin', 'admin')
  await register(t, token, 'image', tank.url)
  await register(t, token, 'image_remote', tank.url)
  const folder = t.testdir({ suite: {} })
  await mkdir(join(folder, 'locks'))
  await writeFile(join(folder, 'tempest.conf'), configuration(folder, mirror))

  const { code, stderr } = await runSuite(folder)
  const cases = [...stderr.matchAll(/^(.*tempest\.api\..*) \.\.\. (\w+)(?: '(.*)')?$/gm)]
  for (const [, name = '', outcome, reason = ''] of cases) {
    t.equal(outcome, 'ok', `${name} ${reason}`)
  }
  t.ok(cases.filter(([, , outcome]) => outcome === 'ok').length > 100, 'they ran')
  t.equal(code, 0, 'none failed', { stderr })
})
