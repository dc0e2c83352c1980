import { TankError } from '@tank/model'
import { ConfigError } from '@tank/service'
import type { ApiConfig } from '../config.ts'
import { openImageServiceHttp } from '../outbound/image-service-http.ts'
import { checkRemotes } from './check-remotes.ts'
import { openAccount } from './remote-account.ts'
import { RemoteRegion } from './remote-region.ts'
import type { RegionSection } from './remotes-section.ts'

/** The image services of other regions that images are taken from. */
export interface Remotes {
  /** Names by which workers say which regions they reach; no store can have such a name. */
  readonly readers: readonly string[]
  /** Throws INVALID_REQUEST for one that the configuration does not have. */
  region(name: string): RemoteRegion
  close(): Promise<void>
}

/** Who reads images of a region, as the registry and workers call it. */
export function readerOf(region: string): string {
  return `region:${region}`
}

async function openRegion(
  name: string,
  section: RegionSection,
  now: () => number
): Promise<RemoteRegion> {
  const key = `imports.glanceDownload.regions.${name}`
  const account = await openAccount(section, key, now)
  const http = await openImageServiceHttp({
    caFile: section.caFile,
    caFileKey: `${key}.caFile`,
    timeoutMs: section.timeoutSeconds * 1000
  })
  return new RemoteRegion({ name, section, http, account })
}

/**
 * Opens what reaches the configured regions; nothing is asked yet. `now` is the clock that tokens live
 * by, in milliseconds since 1970.
 *
 * @throws {ConfigError} with everything that is wrong with them
 */
export async function openRemotes(
  config: Pick<ApiConfig, 'identity' | 'imports'>,
  now: () => number = Date.now
): Promise<Remotes> {
  const faults: string[] = []
  checkRemotes(config, (pointer, message) => faults.push(`${pointer}: ${message}`))
  if (faults.length > 0) throw new ConfigError(faults)
  const regions = new Map<string, RemoteRegion>()
  for (const [name, section] of Object.entries(config.imports.glanceDownload.regions)) {
    regions.set(name, await openRegion(name, section, now))
  }
  return {
    readers: [...regions.keys()].map(readerOf),
    region(name) {
      const region = regions.get(name)
      if (region !== undefined) return region
      throw new TankError('INVALID_REQUEST', `Region '${name.slice(0, 64)}' is not known here`)
    },
    async close() {
      await Promise.all([...regions.values()].map((region) => region.close()))
    }
  }
}
