import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rename, symlink, writeFile } from 'node:fs/promises'
import https from 'node:https'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { connect } from 'node:tls'
import { createTankClient } from '@tank/client'
import t, { type Test } from 'tap'
import { Agent } from 'undici'
import { command } from '../src/command.ts'
import { freshDatabase } from '../src/database.ts'
import { request } from '../src/http.ts'
import { authority, newCertificate, oldCertificate, serverKey } from '../src/server-certificates.ts'
import { program, startTank, tempFolder } from '../src/tank.ts'
import { until } from '../src/wait.ts'

t.setTimeout(300_000)

interface Pair {
  readonly folder: string
  readonly tls: { readonly certificateFile: string; readonly keyFile: string }
  /** Renews the certificate as certbot does: by a link to another file. */
  renew(): Promise<void>
}

async function certificateFiles(t: Test): Promise<Pair> {
  const folder = await tempFolder(t)
  const at = (name: string) => join(folder, name)
  await writeFile(at('ca.pem'), authority)
  await writeFile(at('key.pem'), serverKey, { mode: 0o600 })
  await writeFile(at('cert1.pem'), oldCertificate)
  await writeFile(at('cert2.pem'), newCertificate)
  await symlink('cert1.pem', at('cert.pem'))
  return {
    folder,
    tls: { certificateFile: at('cert.pem'), keyFile: at('key.pem') },
    renew: async () => {
      await symlink('cert2.pem', at('next.pem'))
      await rename(at('next.pem'), at('cert.pem'))
    }
  }
}

/** The serial number of the certificate that a new connection is shown. */
async function serialOf(url: string): Promise<string> {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', ca: authority })
  await once(socket, 'secureConnect')
  const { serialNumber } = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}

/** Reads the first bytes of a download; `rest` reads the others. */
async function slowDownload(url: string) {
  const call = https.get(url, { ca: authority, agent: false })
  const [answer] = await once(call, 'response')
  const body = answer[Symbol.asyncIterator]()
  const first: Buffer = (await body.next()).value
  return {
    rest: async () => {
      const chunks = [first]
      for await (const chunk of { [Symbol.asyncIterator]: () => body }) chunks.push(chunk)
      return Buffer.concat(chunks)
    }
  }
}

t.test(
  'V1-48 two workers over TLS: a client that knows the authority, one that does not',
  async (t) => {
    const { folder, tls, renew } = await certificateFiles(t)
    const tank = await startTank(t, {
      command: 'serve',
      config: { api: { workers: 2, tls } },
      args: ['--data-dir', join(folder, 'data')],
      folder,
      mark: folder,
      ca: authority
    })
    const open = (connectOptions: object) =>
      createTankClient({
        url: tank.url,
        retries: 0,
        dispatcher: new Agent({ connect: connectOptions })
      })
    const client = open({ ca: authority })
    const bytes = randomBytes(32 * 1024 * 1024)
    const { id } = await client.create({ name: 'x', disk_format: 'raw', container_format: 'bare' })
    await client.upload(id, Readable.from([bytes]), { size: bytes.length })
    await t.rejects(open({}).show(id), { message: /unable to verify|self-signed/ })
    t.equal((await open({ rejectUnauthorized: false }).show(id)).id, id)
    const versions = await request(`${tank.url}/versions`, { ca: authority })
    t.match(JSON.parse(`${versions.body}`).versions[0].links[0].href, `${tank.url}/v2/`)

    const download = await slowDownload(`${tank.url}/v2/images/${id}/file`)
    t.equal(await serialOf(tank.url), '01')
    await renew()
    let newOnes = 0
    await until('both workers have the new certificate', 30_000, async () => {
      newOnes = (await serialOf(tank.url)) === '02' ? newOnes + 1 : 0
      return newOnes === 6 ? true : undefined
    })
    t.ok(bytes.equals(await download.rest()), 'a download from before comes to its end')
    t.equal(await tank.stop(), 0)
    t.match(tank.log, `Tank serves images at ${tank.url} (2 processes)`)
  }
)

t.test('V1-49 a wrong token over TLS is 401, and the registry is reached over TLS', async (t) => {
  const { folder, tls } = await certificateFiles(t)
  const database = await freshDatabase()
  t.teardown(database.drop)
  const secret = randomBytes(24).toString('hex')
  const registry = await startTank(t, {
    command: 'registry',
    config: { registry: { databaseUrl: database.url, secret, tls } },
    folder,
    ca: authority
  })
  const api = await startTank(t, {
    command: 'api',
    config: {
      api: {
        tls,
        identity: { mode: 'tokens' },
        registry: { urls: [registry.url], secret },
        stores: { main: { use: '@tank/store-fs', root: join(folder, 'images') } }
      }
    },
    folder,
    ca: authority,
    env: { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') }
  })
  const headers = { 'x-auth-token': 'bogus' }
  const answer = await request(`${api.url}/v2/images`, { headers, ca: authority })
  t.equal(answer.status, 401)
  t.equal(await api.stop(), 0)
  t.match(api.log, `Tank API at ${api.url}`)
})

t.test(
  'a certificate without its key, or with a wrong one, is told before anything starts',
  async (t) => {
    const { folder, tls } = await certificateFiles(t)
    const outcome = async (section: object) => {
      const file = join(folder, 'tank.json')
      await writeFile(file, JSON.stringify({ api: { tls: section } }))
      return await command(process.execPath, [program, 'serve', '--config', file, '--port', '0'], {
        cwd: folder
      })
    }
    const { certificateFile, keyFile } = tls
    t.match(await outcome({ certificateFile }), { code: 2, stderr: '/api/tls/keyFile: missing' })
    t.match(await outcome({ keyFile }), { code: 2, stderr: '/api/tls/certificateFile: missing' })
    const swapped = await outcome({ certificateFile, keyFile: certificateFile })
    t.match(swapped, { code: 2, stderr: /\/api\/tls\/keyFile: '.*' has no private key/ })
  }
)
