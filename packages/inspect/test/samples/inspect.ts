import { createInspector, type InspectorOptions, type Report } from '../../src/index.ts'

/** Inspects bytes that come in chunks of one size. */
export function inspect(
  bytes: Uint8Array,
  chunk = bytes.length,
  options: InspectorOptions = {}
): Report {
  const inspector = createInspector(options)
  for (let at = 0; at < bytes.length; at += chunk) inspector.push(bytes.subarray(at, at + chunk))
  inspector.end()
  return inspector.report()
}

export const codesOf = ({ findings }: Report): string[] => [
  ...new Set(findings.map(({ code }) => code))
]

export const CHUNKS = [1, 7, 511, 512, 4096, 65536] as const
