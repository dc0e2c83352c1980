import t from 'tap'
import { CHUNKS, codesOf, inspect } from './inspect.ts'
import type { Layout } from './layout.ts'

const SMALL = 70_000

const bytesOf = (image: Layout | Uint8Array): Uint8Array =>
  image instanceof Uint8Array ? image : image.bytes

function chunksFor(bytes: Uint8Array): readonly number[] {
  return bytes.length <= SMALL ? CHUNKS : [511, 65536]
}

/** A test that an image is unsafe for this reason, however it is cut. */
export function rejects(name: string, code: string, image: Layout | Uint8Array): void {
  t.test(`${name} is unsafe`, async (t) => {
    const bytes = bytesOf(image)
    const report = inspect(bytes)
    t.equal(report.verdict, 'unsafe')
    t.ok(codesOf(report).includes(code), `${code} of ${codesOf(report)}`)
    t.notOk(codesOf(report).includes('INSPECTOR_FAILED'))
    for (const chunk of chunksFor(bytes)) t.same(inspect(bytes, chunk), report, `by ${chunk}`)
  })
}

/** A test that an image is safe, with no finding or this one alone. */
export function warns(name: string, code: string | undefined, image: Layout | Uint8Array): void {
  t.test(`${name} is safe`, async (t) => {
    const bytes = bytesOf(image)
    const report = inspect(bytes)
    t.equal(report.verdict, 'safe')
    t.same(codesOf(report), code === undefined ? [] : [code])
    for (const chunk of chunksFor(bytes)) t.same(inspect(bytes, chunk), report, `by ${chunk}`)
  })
}
