import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { tank } from './service.ts'

t.setTimeout(60_000)

/** A VHD of a fixed size: its end alone says what it is. */
function openVhd(size: number): Buffer {
  const image = Buffer.alloc(size + 512)
  image.write('conectix', size)
  image.writeUInt32BE(0x00010000, size + 12)
  image.fill(0xff, size + 16, size + 24)
  image.writeBigUInt64BE(BigInt(size), size + 48)
  image.writeUInt32BE(2, size + 60)
  let sum = 0
  for (const byte of image.subarray(size)) sum += byte
  image.writeUInt32BE(~sum >>> 0, size + 64)
  return image
}

function backedQcow2(): Buffer {
  const image = Buffer.alloc(4096)
  image.write('QFI\xfb', 'latin1')
  image.writeUInt32BE(3, 4)
  image.writeUInt32BE(512, 12)
  image.writeUInt32BE(11, 16)
  image.write('/etc/passwd', 512)
  return image
}

t.test('a file, as people and as programs read it', async (t) => {
  const dir = t.testdir()
  const [good, bad] = [join(dir, 'good.img'), join(dir, 'bad.img')]
  writeFileSync(good, openVhd(1 << 20))
  writeFileSync(bad, backedQcow2())
  const safe = await tank(['inspect', good])
  t.match(safe, { code: 0, err: '' }, safe.err)
  t.match(safe.out, /^format +vhd, fixed$/m)
  t.match(safe.out, /^virtual size +1.0 MiB \(1048576 bytes\)$/m)
  t.match(safe.out, /^verdict +safe$/m)
  const unsafe = await tank(['inspect', bad])
  t.equal(unsafe.code, 6)
  t.match(unsafe.out, /^reject +QCOW2_BACKING_FILE +byte 8 +names a backing file$/m)
  t.notMatch(unsafe.out, /passwd/)
  const json = await tank(['inspect', bad, '-o', 'json'])
  t.equal(json.code, 6)
  t.match(JSON.parse(json.out), {
    format: 'qcow2',
    verdict: 'unsafe',
    findings: [{ code: 'QCOW2_BACKING_FILE', offset: 8 }]
  })
  const value = await tank(['inspect', good, '-o', 'value', '-c', 'format,virtual_size'])
  t.match(value, { code: 0, out: 'vhd\n1048576\n' })
  const other = await tank(['inspect', good, '--expect', 'qcow2'])
  t.match(other, { code: 6, out: /FORMAT_MISMATCH/ })
  const piped = await tank(['inspect', '-'], { input: openVhd(1 << 20) })
  t.match(piped, { code: 0, out: /^format +vhd, fixed$/m })
})

t.test('a URL, by a few ranges of it', async (t) => {
  const image = openVhd(20 << 20)
  let sent = 0
  const server = createServer((request, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    if (request.url !== '/disk') response.writeHead(404).end()
    else if (request.method === 'HEAD')
      response.writeHead(200, { 'content-length': image.length, 'accept-ranges': 'bytes' }).end()
    else {
      const part = from === undefined ? image : image.subarray(Number(from), Number(to) + 1)
      sent += part.length
      response.writeHead(from === undefined ? 200 : 206, {
        'content-length': part.length,
        ...(from === undefined ? {} : { 'content-range': `bytes ${from}-${to}/${image.length}` })
      })
      response.end(part)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const found = await tank(['inspect', `${url}/disk`])
  t.match(found, { code: 0, out: /^format +vhd, fixed$/m }, found.err)
  t.ok(sent < 1 << 20, `${sent} bytes were read`)
  const none = await tank(['inspect', `${url}/none`])
  t.match(none, { code: 1, err: /cannot be inspected: .*\n$/ })
  t.notMatch(none.err, 'because')
})

t.test('what cannot be inspected', async (t) => {
  const cases: [string[], number, RegExp][] = [
    [['no-such-file'], 1, /there is no file no-such-file/],
    [['ftp://example.org/x'], 2, /neither a file nor an http or https URL/],
    [['file:///etc/passwd'], 2, /neither a file nor an http or https URL/],
    [[], 2, /file, a URL/],
    [['x', '--expect', 'floppy'], 2, /--expect is one of raw/]
  ]
  for (const [words, code, err] of cases) {
    const said = await tank(['inspect', ...words])
    t.match(said, { code, err })
    t.notMatch(said.err, 'because')
  }
})
