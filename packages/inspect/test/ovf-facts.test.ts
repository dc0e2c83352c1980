import t from 'tap'
import { applianceOf } from '../src/formats/ovf-facts.ts'

const item = (type: number, quantity: string, units?: string) =>
  `<Item>${units === undefined ? '' : `<rasd:AllocationUnits>${units}</rasd:AllocationUnits>`}` +
  `<rasd:ResourceType>${type}</rasd:ResourceType><rasd:VirtualQuantity>${quantity}</rasd:VirtualQuantity></Item>`

t.test('what a description says of its machine', async (t) => {
  const all = `<Envelope><!-- <ProductSection><Product>no</Product></ProductSection> -->
    <OperatingSystemSection vmw:osType="debian12_64Guest"><Description>Debian</Description></OperatingSystemSection>
    ${item(3, '2')}${item(4, '4', 'byte * 2^30')}${item(3, '8')}
    <ProductSection><Product> Mail &amp;\n news </Product><Vendor>V</Vendor><Version>1</Version></ProductSection>
    <ProductSection><Product>second</Product></ProductSection></Envelope>`
  t.same(applianceOf(all), {
    product: 'Mail & news',
    vendor: 'V',
    version: '1',
    osType: 'debian12_64Guest',
    cpus: 2,
    memory: 4096
  })
  const text = '<OperatingSystemSection><Description>Debian</Description></OperatingSystemSection>'
  t.same(applianceOf(text), { osType: 'Debian' })
  t.same(applianceOf(item(4, '512', 'MegaBytes')), { memory: 512 })
  t.same(applianceOf(item(4, '512')), { memory: 512 })
})

t.test('what makes no sense is left out', async (t) => {
  for (const xml of [
    '',
    '<Envelope/>',
    '<ProductSection><Product/><Vendor> </Vendor></ProductSection>',
    '<Product>outside</Product>',
    '<ProductSection><constructor>no</constructor><__proto__>no</__proto__></ProductSection>',
    item(4, '1', 'byte'),
    item(4, '1', 'byte * 2^10'),
    item(3, '-1'),
    item(3, '9999999999999999'),
    item(3, 'two'),
    '<!-- open',
    '<![CDATA[<ProductSection><Product>no</Product></ProductSection>]]>',
    '<![CDATA[<!--]]><a><!-- ]]> <ProductSection><Product>no</Product></ProductSection> --></a>'
  ])
    t.same(applianceOf(xml), {}, xml)
  const long = `<ProductSection><Product>${'x'.repeat(9000)}</Product></ProductSection>`
  t.equal(applianceOf(long).product?.length, 255)
  const steering = `<ProductSection><Product>a\x1b[2Jb\xe2\x80\xaec</Product></ProductSection>`
  t.equal(applianceOf(steering).product, 'a [2Jb c')
})

const MOST_US = 10_000

/** The least of a few runs: other work on the machine slows one down, and no code speeds one up. */
function microseconds(xml: string): number {
  const runs = Array.from({ length: 5 }, () => {
    const at = process.cpuUsage()
    applianceOf(xml)
    return process.cpuUsage(at).user
  })
  return Math.min(...runs)
}

t.test('S-12 S-32 S-44 hostile descriptions of 100 KB take no time', async (t) => {
  const pieces = [
    '<Item />',
    '<!-->',
    '<a ',
    '<Description>x</Description>',
    `<${'a'.repeat(99)}:`,
    '<OperatingSystemSection a:osType="',
    `<${'a'.repeat(100_000)}`,
    `<a:${'a'.repeat(200)} `,
    `<${'a'.repeat(100)} ${' '.repeat(100_000)}`,
    `<![CDATA[<${'a'.repeat(100)}${'b'.repeat(10_000)}<]]>`
  ]
  for (const piece of pieces) {
    const xml = `<OperatingSystemSection>${piece.repeat(Math.ceil(100_000 / piece.length))}`
    const user = microseconds(xml)
    t.ok(user < MOST_US, `${user} µs for ${piece.slice(0, 20)}`)
  }
})
