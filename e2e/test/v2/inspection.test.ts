import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import http from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import {
  backedQcow2,
  iso,
  mbr,
  ova,
  protectedDisk,
  qcow2,
  qed,
  vmdk
} from '../../src/disk-images.ts'
import { FakeStore } from '../../src/fake-store.ts'
import { filesIn } from '../../src/folder.ts'
import { holds, importBy, over, tasks } from '../../src/imports.ts'
import { identityHeaders, openStack, P1, type Stack } from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

interface Outcome {
  readonly status: number
  readonly message: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever was answered
  readonly image: any
}

/** Creates an image, uploads bytes, and says what became of it. */
async function put(stack: Stack, format: string, bytes: Buffer, more = {}): Promise<Outcome> {
  const { id } = await stack.create(P1, { disk_format: format, ...more })
  const answer = await stack.upload(P1, id, bytes)
  const text = answer.body.toString()
  const message = text.startsWith('{') ? JSON.parse(text).error.message : ''
  const image = (await stack.json(P1, 'GET', `/v2/images/${id}`)).body
  return { status: answer.status, message, image }
}

const QUEUED = { status: 'queued', size: null, virtual_size: null, checksum: null }

/** Refused, for this reason, and nothing is left of it. */
async function refuses(t: Test, stack: Stack, format: string, bytes: Buffer, why: RegExp) {
  const { status, message, image } = await put(stack, format, bytes)
  t.equal(status, 415, `${format}: ${why}`, { message })
  t.match(message, why)
  t.match(image, QUEUED)
}

async function accepts(t: Test, stack: Stack, format: string, bytes: Buffer, size: number | null) {
  const { status, message, image } = await put(stack, format, bytes)
  t.equal(status, 204, format, { message })
  t.match(image, { status: 'active', virtual_size: size, size: bytes.length, disk_format: format })
}

t.test('what comes in is what it is said to be, and safe to open', async (t) => {
  const stack = await openStack({ api: { collectSeconds: 0.1 } })
  t.teardown(() => stack.close())
  const empty = filesIn(stack.root).length

  await t.test('FMT1 F3: sound images are accepted with their virtual size', async (t) => {
    await accepts(t, stack, 'qcow2', qcow2(), 1048576)
    await accepts(t, stack, 'vmdk', vmdk(), 1048576)
    await accepts(t, stack, 'iso', iso(), 65536)
    await accepts(t, stack, 'raw', randomBytes(1000), 1000)
    await accepts(
      t,
      stack,
      'qcow2',
      qcow2((image) => image.fill(0, 24, 32)),
      null
    )
    for (const format of ['raw', 'qcow2', 'vhd'])
      await accepts(t, stack, format, Buffer.alloc(0), null)
  })

  await t.test('FMT2 F6 F12: declared as another format they are refused', async (t) => {
    const images = { qcow2: qcow2(), vmdk: vmdk(), iso: iso(), raw: Buffer.alloc(100_000) }
    for (const [format, bytes] of Object.entries(images)) {
      for (const declared of ['qcow2', 'vmdk', 'iso', 'vdi', 'vhd', 'vhdx'])
        if (declared !== format) {
          const why = `Image disk_format ${declared} does not match stream data ${format}`
          await refuses(t, stack, declared, bytes, new RegExp(`^${why} \\(FORMAT_MISMATCH\\)`))
        }
    }
  })

  await t.test('F5: what is declared raw has the size of its bytes', (t) =>
    accepts(t, stack, 'raw', qcow2(), 4 * 65536)
  )

  await t.test('FMT3 F7 S-10: qcow2 that leads elsewhere, or of another version', async (t) => {
    const reasons: [Buffer, RegExp][] = [
      [backedQcow2('/etc/passwd'), /Image failed safety checks: QCOW2_BACKING_FILE at byte 8/],
      [qcow2((image) => image.writeUInt8(4, 79)), /QCOW2_DATA_FILE/],
      [qcow2((image) => image.writeUInt32BE(0x44415441, 104)), /QCOW2_DATA_FILE/],
      [qcow2((image) => image.writeUInt32BE(1, 4)), /QCOW2_VERSION/],
      [qcow2((image) => image.writeUInt8(16, 79)), /QCOW2_EXTENDED_L2/],
      [qcow2((image) => image.writeUInt8(32, 79)), /QCOW2_UNKNOWN_INCOMPAT/]
    ]
    for (const [bytes, why] of reasons) {
      for (const declared of ['qcow2', 'raw']) await refuses(t, stack, declared, bytes, why)
    }
    const { message } = await put(stack, 'qcow2', backedQcow2('/etc/passwd'))
    t.match(message, /Flatten it, for instance with `qemu-img convert`/, 'it says what helps')
    t.notMatch(message, /passwd/, 'nothing of the image itself')
  })

  await t.test('FMT4 F9: VMDK that leads elsewhere', async (t) => {
    const flat = { type: 'monolithicFlat', extent: 'RW 2048 FLAT "/etc/passwd" 0' }
    await refuses(t, stack, 'vmdk', vmdk(flat), /VMDK_SUBFORMAT/)
    const slash = vmdk({ extent: 'RW 2048 SPARSE "/etc/passwd"' })
    await refuses(t, stack, 'vmdk', slash, /VMDK_EXTERNAL_EXTENT/)
  })

  await t.test('FMT6 F1: an ISO with a partition table is an ISO', (t) =>
    accepts(t, stack, 'iso', iso({ boot: true }), 65536)
  )

  await t.test('FMT7 F10: partition tables of raw disks', async (t) => {
    await accepts(t, stack, 'raw', protectedDisk(), 128 * 1024)
    await refuses(t, stack, 'raw', protectedDisk({ first: 7 }), /MBR_PROTECTIVE/)
    await refuses(t, stack, 'raw', protectedDisk({ flag: 1, type: 0x83 }), /MBR_BOOT_FLAG/)
    const empty = mbr(Buffer.alloc(4096), {
      flag: 0,
      type: 0,
      first: 0,
      count: 0,
      start: [0, 0, 0]
    })
    await refuses(t, stack, 'raw', empty, /MBR_EMPTY .*make the check `mbr` non-fatal/)
  })

  await t.test('FMT8 F4: kernels are not told by their bytes, disks are', async (t) => {
    for (const format of ['aki', 'ari', 'ami', 'ploop'])
      await accepts(t, stack, format, Buffer.alloc(5000, 'k'), null)
    await accepts(t, stack, 'ari', Buffer.from('1f8b08000000000000030300', 'hex'), null)
    await refuses(t, stack, 'aki', qcow2(), /disk_format aki does not match stream data qcow2/)
  })

  await t.test('FMT9 F8: QED is never accepted', async (t) => {
    for (const format of ['raw', 'qcow2']) await refuses(t, stack, format, qed(), /QED_FORMAT/)
  })

  await t.test('F11: LUKS of another version than 1', async (t) => {
    const luks = Buffer.alloc(100_000)
    luks.write('LUKS\xba\xbe', 'latin1')
    luks.writeUInt16BE(3, 6)
    await refuses(t, stack, 'raw', luks, /LUKS_VERSION/)
  })

  await t.test('FMT10: a header that was cut off', (t) =>
    refuses(t, stack, 'qcow2', qcow2().subarray(0, 100), /TRUNCATED|does not match/)
  )

  await t.test('FMT11 F2: two formats in one file', async (t) => {
    const both = qcow2((image) => iso().copy(image, 32768, 32768))
    for (const format of ['qcow2', 'iso', 'raw'])
      await refuses(t, stack, format, both, /Image failed safety checks: POLYGLOT/)
  })

  await t.test('F15: other containers are not looked at', async (t) => {
    for (const container_format of ['ovf', 'docker', 'compressed', 'aki']) {
      const { status, image } = await put(stack, 'qcow2', Buffer.alloc(1000, 'x'), {
        container_format
      })
      t.equal(status, 204, container_format)
      t.equal(image.virtual_size, null)
    }
  })

  await t.test('F12: nothing of what was refused stays in the store', async (t) => {
    const { images } = (await stack.json(P1, 'GET', '/v2/images?limit=1000')).body
    const active = images.filter(({ status }: { status: string }) => status === 'active').length
    await until('the store has only what was accepted', 10_000, async () =>
      filesIn(stack.root).length <= empty + active ? true : undefined
    )
    t.ok(active > 10)
  })
})

t.test('F12 S-12: a body is not read further than the byte that proves it', async (t) => {
  const stack = await openStack({ api: { collectSeconds: 0.1 } })
  t.teardown(() => stack.close())
  const heads: [string, Buffer][] = [
    ['qcow2', backedQcow2('/etc/passwd')],
    ['qcow2', Buffer.alloc(128 * 1024)],
    ['aki', qcow2()]
  ]
  for (const [disk_format, head] of heads) {
    const { id } = await stack.create(P1, { disk_format })
    const call = http.request(`${stack.url}/v2/images/${id}/file`, {
      method: 'PUT',
      agent: false,
      headers: {
        ...identityHeaders(P1),
        'content-type': 'application/octet-stream',
        'content-length': 100 * 2 ** 30
      }
    })
    call.on('error', () => {})
    const status = await new Promise((resolve) => {
      call.on('response', (response) => resolve(response.statusCode))
      call.write(head)
    })
    t.equal(status, 415, 'answered although nothing more was sent')
    call.destroy()
    const { body } = await stack.json(P1, 'GET', `/v2/images/${id}`)
    t.match(body, QUEUED)
    const usable = { disk_format: 'raw', bytes: randomBytes(100) }
    await stack.patch(P1, id, [{ op: 'replace', path: '/disk_format', value: 'raw' }])
    t.equal((await stack.upload(P1, id, usable.bytes)).status, 204, 'the image can still be filled')
  }
})

t.test('what the operator says about findings', async (t) => {
  await t.test('F14: without require match, what is fatal stays so', async (t) => {
    const stack = await openStack({ api: { inspection: { requireMatch: false } } })
    t.teardown(() => stack.close())
    await accepts(t, stack, 'vmdk', qcow2(), null)
    const both = qcow2((image) => iso().copy(image, 32768, 32768))
    await accepts(t, stack, 'qcow2', both, null)
    await refuses(t, stack, 'vmdk', backedQcow2('/etc/passwd'), /QCOW2_BACKING_FILE/)
    await refuses(t, stack, 'qcow2', qed(), /QED_FORMAT/)
  })

  await t.test(
    'F10: findings that are not fatal, some that are, and the largest disk',
    async (t) => {
      const stack = await openStack({
        api: {
          inspection: {
            nonFatal: ['mbr', 'QCOW2_EXTENDED_L2'],
            fatal: ['QCOW2_DIRTY'],
            maxVirtualSize: 1048576
          }
        }
      })
      t.teardown(() => stack.close())
      await accepts(t, stack, 'raw', protectedDisk({ first: 7 }), 128 * 1024)
      await accepts(
        t,
        stack,
        'qcow2',
        qcow2((image) => image.writeUInt8(16, 79)),
        1048576
      )
      await refuses(
        t,
        stack,
        'qcow2',
        qcow2((image) => image.writeUInt8(1, 79)),
        /QCOW2_DIRTY/
      )
      const large = qcow2((image) => image.writeBigUInt64BE(1049088n, 24))
      await refuses(t, stack, 'qcow2', large, /VIRTUAL_SIZE_CAP .*Shrink its disk/)
    }
  )
})

t.test('imports are judged like uploads', async (t) => {
  const [main, second, web] = [new FakeStore(), new FakeStore(), new FakeStore()]
  const stack = await openStack({
    api: {
      stores: { main: { use: 'a' }, second: { use: 'b' }, web: { use: 'web' } },
      defaultStore: 'main',
      collectSeconds: 0.1,
      jobs: { pollSeconds: 0.1 },
      imports: { methods: ['glance-direct', 'web-download'] }
    },
    plugins: { a: main.plugin(), b: second.plugin(), web: web.plugin('web') }
  })
  t.teardown(() => stack.close())

  const bring = {
    'glance-direct': async (id: string, bytes: Buffer, more: object) => {
      const staged = await stack.call(P1, 'PUT', `/v2/images/${id}/stage`, {
        headers: { 'content-type': 'application/octet-stream' },
        body: bytes
      })
      t.equal(staged.status, 204)
      return importBy(stack, id, { name: 'glance-direct' }, more)
    },
    'web-download': (id: string, bytes: Buffer, more: object) => {
      const uri = `http://outside.test/${id}`
      web.bytes.set(uri, bytes)
      return importBy(stack, id, { name: 'web-download', uri }, more)
    }
  }
  const cases: [string, Buffer, number | RegExp][] = [
    ['qcow2', qcow2(), 1048576],
    ['raw', qcow2(), 4 * 65536],
    ['aki', Buffer.alloc(1000, 'k'), -1],
    ['vmdk', vmdk(), 1048576],
    ['qcow2', backedQcow2('/etc/passwd'), /Image failed safety checks: QCOW2_BACKING_FILE/],
    ['raw', backedQcow2('/etc/passwd'), /Image failed safety checks: QCOW2_BACKING_FILE/],
    ['vmdk', vmdk({ type: 'monolithicFlat' }), /VMDK_SUBFORMAT/],
    ['vmdk', qcow2(), /Image disk_format vmdk does not match stream data qcow2/],
    ['vhd', Buffer.alloc(2000), /Image disk_format vhd does not match stream data raw/],
    ['qcow2', qcow2().subarray(0, 100), /TRUNCATED/]
  ]
  for (const [name, start] of Object.entries(bring)) {
    for (const more of [{}, { all_stores: true }]) {
      await t.test(`FMT5 F13 by ${name} ${JSON.stringify(more)}`, async (t) => {
        for (const [format, bytes, outcome] of cases) {
          const { id } = await stack.create(P1, { disk_format: format })
          t.equal((await start(id, bytes, more)).status, 202)
          const image = await over(stack, id)
          const [task] = await tasks(stack, id)
          if (typeof outcome === 'number') {
            const virtual_size = outcome < 0 ? null : outcome
            t.match(image, { status: 'active', virtual_size, size: bytes.length })
            t.equal(task.status, 'success')
          } else {
            t.match(image, QUEUED, `${format}: ${outcome}`)
            t.match(task, { status: 'failure', message: outcome })
            for (const store of [main, second])
              await until('the data is gone', 5000, async () =>
                holds(store, bytes) ? undefined : true
              )
          }
          await stack.call(P1, 'DELETE', `/v2/images/${id}`)
        }
      })
    }
  }
})

t.test('S-10 a file that the service can read appears nowhere', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const canary = `canary-${randomUUID()}`
  const root = t.testdir()
  await mkdir(join(root, 'secret'))
  const file = join(root, 'secret', 'file')
  await writeFile(file, canary.repeat(4096))
  const flat = `RW 8 FLAT "${file}" 0`
  const text = `# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\n${flat}\n`
  const dataFile = qcow2((image) => {
    image.writeUInt8(4, 79)
    image.writeUInt32BE(0x44415441, 104)
    image.writeUInt32BE(file.length, 108)
    image.write(file, 112)
  })
  const images = [
    backedQcow2(file),
    backedQcow2(`json:{"driver":"raw","file":{"driver":"file","filename":"${file}"}}`),
    dataFile,
    vmdk({ type: 'monolithicFlat', extent: flat }),
    vmdk({ extent: `RW 2048 SPARSE "${file}"` }),
    vmdk({ more: `parentFileNameHint="${file}"` }),
    Buffer.from(text),
    Buffer.from(`${text}\0\0`)
  ]
  for (const bytes of images) {
    for (const disk_format of ['qcow2', 'vmdk', 'raw']) {
      const { status, message, image } = await put(stack, disk_format, bytes)
      t.equal(status, 415)
      t.notMatch(message, canary)
      t.notMatch(message, file, 'not even its name')
      t.notMatch(JSON.stringify(image), canary)
    }
  }
  for (const { path } of filesIn(stack.root))
    if (!path.endsWith('.sock')) t.notMatch(await readFile(path, 'latin1'), canary)
})

t.test('disk_format auto becomes what was found', async (t) => {
  const stack = await openStack({ api: { imports: { methods: ['glance-direct'] } } })
  t.teardown(() => stack.close())
  const images: [Buffer, string, number | null, object?][] = [
    [qcow2(), 'qcow2', 1048576],
    [vmdk(), 'vmdk', 1048576],
    [iso({ boot: true }), 'iso', 65536],
    [Buffer.alloc(1000, 'x'), 'raw', 1000],
    [Buffer.alloc(0), 'raw', null],
    [Buffer.alloc(1000, 'x'), 'raw', null, { container_format: 'docker' }]
  ]
  for (const [bytes, format, virtual_size, more] of images) {
    const made = await stack.create(P1, { disk_format: 'auto', ...more })
    t.match(made, { status: 'queued', disk_format: 'auto' }, 'shown until then')
    t.equal((await stack.upload(P1, made.id, bytes)).status, 204)
    const { body } = await stack.json(P1, 'GET', `/v2/images/${made.id}`)
    t.match(body, { status: 'active', disk_format: format, virtual_size })
    const back = [{ op: 'replace', path: '/disk_format', value: 'auto' }]
    t.equal((await stack.patch(P1, made.id, back)).status, 403)
  }

  await t.test('of imports', async (t) => {
    const { id } = await stack.create(P1, { disk_format: 'auto' })
    await stack.call(P1, 'PUT', `/v2/images/${id}/stage`, {
      headers: { 'content-type': 'application/octet-stream' },
      body: qcow2()
    })
    t.equal((await importBy(stack, id, { name: 'glance-direct' })).status, 202)
    t.match(await over(stack, id), { status: 'active', disk_format: 'qcow2' })
  })

  await t.test('of what is refused it stays', async (t) => {
    const { status, image } = await put(stack, 'auto', backedQcow2('/etc/passwd'))
    t.equal(status, 415)
    t.match(image, { status: 'queued', disk_format: 'auto' })
  })

  await t.test('F16: not of data at a location', async (t) => {
    const { id } = await stack.create(P1, { disk_format: 'auto' })
    const url = 'http://outside.test/image'
    const added = await stack.json(P1, 'POST', `/v2/images/${id}/locations`, { url })
    t.match(added, { status: 400, body: { error: { message: /say its format instead of auto/ } } })
  })

  await t.test('U5: leaving it out is no auto', async (t) => {
    const { status } = await put(stack, 'raw', Buffer.alloc(1), { disk_format: null })
    t.equal(status, 400)
  })
})

const MACHINE = `<!-- <ProductSection><Product>not this</Product></ProductSection> -->
<OperatingSystemSection ovf:id="96" vmw:osType="debian12_64Guest"><Description>Debian</Description></OperatingSystemSection>
<VirtualHardwareSection>
<Item><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
<Item><rasd:AllocationUnits>byte * 2^30</rasd:AllocationUnits><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>4</rasd:VirtualQuantity></Item>
</VirtualHardwareSection>
<ProductSection><Product>Mail &amp; Möre</Product><Vendor>Example</Vendor><Version>12.1</Version></ProductSection>`

t.test('S-24 S-31 S-32 appliances are looked into, and not unpacked', async (t) => {
  const protect = { read: '@', update: '@', delete: '@' }
  const stack = await openStack({
    api: {
      collectSeconds: 0.1,
      limits: { properties: 5 },
      propertyProtections: [
        { match: 'ovf_version', create: 'admin', ...protect },
        { match: '.*', create: '@', ...protect }
      ]
    }
  })
  t.teardown(() => stack.close())
  const container_format = 'ova'

  await t.test('a sound one says what its machine is', async (t) => {
    const more = { container_format, ovf_vendor: 'my own', color: 'red' }
    const { status, message, image } = await put(stack, 'vmdk', ova(vmdk(), MACHINE), more)
    t.equal(status, 204, message)
    t.match(image, {
      disk_format: 'vmdk',
      virtual_size: null,
      ovf_product: 'Mail & Möre',
      ovf_vendor: 'my own',
      ovf_os_type: 'debian12_64Guest',
      ovf_cpus: '2'
    })
    t.notOk('ovf_version' in image, 'it is kept for administrators')
    t.notOk('ovf_memory_mb' in image, 'there was no room for it')
    const small = (await put(stack, 'auto', ova(vmdk(), MACHINE), { container_format })).image
    t.match(small, { disk_format: 'vmdk', ovf_memory_mb: '4096' })
    const bare = (await put(stack, 'raw', ova(vmdk(), MACHINE))).image
    t.match(bare, { status: 'active' })
    t.notOk('ovf_product' in bare, 'what is declared as a disk is one')
  })

  await t.test('disks inside are judged like others', async (t) => {
    const cases: [Buffer, RegExp][] = [
      [ova(backedQcow2('/etc/passwd')), /QCOW2_BACKING_FILE at byte \d+ of member 1/],
      [ova(vmdk({ type: 'monolithicFlat' })), /VMDK_SUBFORMAT at byte \d+ of member 1/],
      [ova(qed()), /QED_FORMAT/],
      [ova(gzipSync(qed())), /QED_FORMAT/],
      [ova(vmdk(), '', '2'), /TAR_LINK/],
      [ova(vmdk(), '<File ovf:href="https://example.org/x"/>'), /OVF_EXTERNAL/],
      [ova(vmdk(), '<!DOCTYPE x [<!ENTITY a "b">]>'), /OVF_DTD/],
      [ova(vmdk()).subarray(0, 3000), /TRUNCATED/]
    ]
    for (const [bytes, why] of cases) {
      const { status, message, image } = await put(stack, 'vmdk', bytes, { container_format })
      t.equal(status, 415, String(why))
      t.match(message, why)
      t.match(image, QUEUED)
    }
  })
})

t.test('FMT3 what comes through v1 is judged like uploads', async (t) => {
  const stack = await openStack({ api: { collectSeconds: 0.1 } })
  t.teardown(() => stack.close())
  const post = async (format: string, body: Buffer) => {
    const id = randomUUID()
    const answer = await stack.call(P1, 'POST', '/v1/images', {
      headers: {
        'content-type': 'application/octet-stream',
        'x-image-meta-id': id,
        'x-image-meta-name': 'v1',
        'x-image-meta-disk_format': format,
        'x-image-meta-container_format': 'bare'
      },
      body
    })
    const image = await stack.json(P1, 'GET', `/v2/images/${id}`)
    return { status: answer.status, text: answer.body.toString(), image: image.body }
  }
  t.match(await post('qcow2', qcow2()), {
    status: 201,
    image: { status: 'active', virtual_size: 1048576 }
  })
  t.match(await post('auto', vmdk()), { status: 201, image: { disk_format: 'vmdk' } })
  for (const format of ['qcow2', 'raw']) {
    const { status, text, image } = await post(format, backedQcow2('/etc/passwd'))
    t.equal(status, 415)
    t.match(text, /QCOW2_BACKING_FILE/)
    t.notMatch(image, { status: 'active' })
  }
  t.match(await post('vmdk', qcow2()), { status: 415, text: /does not match stream data qcow2/ })
})
