import { createHash } from 'node:crypto'
import { type CallOptions, StoreError } from '@tank/store'
import { type Static, Type } from 'typebox'
import Value from 'typebox/value'
import type { Container, ObjectHead } from './container.ts'
import { segmentNumber } from './names.ts'

/** A part of an image as a manifest lists it: a segment, or another manifest. */
export interface Part {
  readonly name: string
  readonly size: number
  readonly etag: string
}

const MAX_MANIFEST = 8 * 1024 * 1024

/** The body of a manifest, which Swift checks against the objects that it names. */
export function manifestOf(parts: readonly Part[], container: Container): Buffer {
  const entries = parts.map(({ name, size, etag }) => ({
    path: container.names.plainPath(name),
    size_bytes: size,
    etag
  }))
  return Buffer.from(JSON.stringify(entries))
}

/** The ETag that the object of a manifest has: MD5 of the ETags of its parts. */
export function manifestEtag(parts: readonly Part[]): string {
  return createHash('md5')
    .update(parts.map(({ etag }) => etag).join(''))
    .digest('hex')
}

export function sizeOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { size }) => sum + size, 0)
}

const entry = Type.Object({
  name: Type.String(),
  bytes: Type.Integer({ minimum: 0 }),
  hash: Type.String(),
  range: Type.Optional(Type.Null()),
  sub_slo: Type.Optional(Type.Boolean())
})
const entries = Type.Array(entry)

export interface Segments {
  /** What holds bytes, in their order. */
  readonly parts: readonly Part[]
  /** Names of the manifests in between. */
  readonly manifests: readonly string[]
}

/**
 * Reads what an image consists of. Servers that do not show their manifests (the RADOS Gateway sends
 * an empty one) have consistent listings instead, and there the names tell the order.
 */
export async function readSegments(
  container: Container,
  key: string,
  head: ObjectHead,
  options: CallOptions
): Promise<Segments> {
  const { names } = container
  const found: Segments & { parts: Part[]; manifests: string[] } = { parts: [], manifests: [] }
  if (await walk(container, names.image(key), found, options, 0)) return found
  if (head.put === undefined) return found
  const prefix = names.segmentsOf(key, head.put)
  for await (const { name, bytes, hash } of container.list(prefix, options)) {
    const isSegment = /^\d{8,}$/.test(name.slice(prefix.length))
    if (isSegment) found.parts.push({ name, size: bytes, etag: hash ?? '' })
  }
  return found
}

async function walk(
  container: Container,
  name: string,
  found: { parts: Part[]; manifests: string[] },
  options: CallOptions,
  depth: number
): Promise<boolean> {
  const list = await readManifest(container, name, options)
  if (list === undefined || depth > 10) return false
  for (const { name: path, bytes: size, hash: etag, sub_slo: isManifest } of list) {
    const part = container.names.fromPlainPath(path)
    if (part === undefined) continue
    if (isManifest) {
      found.manifests.push(part)
      await walk(container, part, found, options, depth + 1)
    } else found.parts.push({ name: part, size, etag })
  }
  return true
}

async function readManifest(
  container: Container,
  name: string,
  options: CallOptions
): Promise<Static<typeof entries> | undefined> {
  const answer = await container.call(name, {
    ...options,
    method: 'GET',
    query: 'multipart-manifest=get',
    accept: [404],
    what: 'to read a manifest'
  })
  const text = await answer.body.text(2 * MAX_MANIFEST)
  if (answer.status === 404 || text === '') return undefined
  const list: unknown = JSON.parse(text)
  if (Value.Check(entries, list)) return list
  throw new StoreError('FAILED', 'the manifest of the image cannot be read')
}

/** Parts in groups of a manifest's greatest length, each with the name of its own manifest. */
export function grouped(
  parts: readonly Part[],
  most: number,
  base: string,
  level: number
): { readonly name: string; readonly parts: readonly Part[] }[] {
  const count = Math.ceil(parts.length / most)
  return Array.from({ length: count }, (_, index) => ({
    name: `${base}list-${level}-${segmentNumber(index)}`,
    parts: parts.slice(index * most, (index + 1) * most)
  }))
}
