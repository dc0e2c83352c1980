import type { Report } from '@tank/inspect'
import type { PropertyRules } from './rules.ts'

/** What an appliance says of its machine, as custom properties, as far as anybody may set them. */
export function ovfProperties(
  { appliance }: Report,
  { isFree }: PropertyRules
): Readonly<Record<string, string>> {
  const { product, vendor, version, osType, cpus, memory } = appliance ?? {}
  const all: Record<string, string | number | undefined> = {
    ovf_product: product,
    ovf_vendor: vendor,
    ovf_version: version,
    ovf_os_type: osType,
    ovf_cpus: cpus,
    ovf_memory_mb: memory
  }
  return Object.fromEntries(
    Object.entries(all)
      .filter(([name, value]) => value !== undefined && isFree(name))
      .map(([name, value]) => [name, String(value)])
  )
}
