import { accountFaults } from '../identity/keystone-account.ts'
import { hasUserInfo } from '../identity/secure-url.ts'
import { INTERFACES, type RegionSection, type RemotesSection } from './remotes-section.ts'

const SECTION = '/imports/glanceDownload'

/** The parts of the configuration that have to fit together. */
interface RemotesConfig {
  readonly identity: { readonly mode: string }
  readonly imports: {
    readonly methods: readonly string[]
    readonly glanceDownload: RemotesSection
  }
}

function endpointFaults({ endpoints, keystone }: RegionSection): string[] {
  const urls = INTERFACES.flatMap((name) => endpoints[name] ?? [])
  const faults = [...urls, ...(keystone === undefined ? [] : [keystone.url])].flatMap((url) => {
    if (!URL.canParse(url)) return ['an address is not a URL']
    return hasUserInfo(url) ? ['credentials belong into token or keystone, not into a URL'] : []
  })
  if (urls.length === 0 && keystone === undefined) {
    faults.push('needs endpoints, or an account of Keystone whose catalogue names them')
  }
  return faults
}

function regionFaults(region: RegionSection, mode: string): string[] {
  const { access, token, keystone } = region
  const faults = endpointFaults(region)
  if (token !== '' && keystone !== undefined) {
    faults.push('has a token and an account of Keystone; give one of them')
  }
  if (keystone !== undefined) faults.push(...accountFaults(keystone, 'keystone'))
  if (access === 'caller' && mode !== 'keystone') {
    faults.push(
      "access 'caller' needs the identity mode keystone; 'account' lets every caller take what the account of Tank sees there"
    )
  }
  return faults
}

/** Reports everything that is wrong with the regions, below the pointer of the section `api`. */
export function checkRemotes(
  { identity, imports }: RemotesConfig,
  report: (pointer: string, message: string) => void
): void {
  const regions = Object.entries(imports.glanceDownload.regions)
  if (imports.methods.includes('glance-download') && regions.length === 0) {
    report(`${SECTION}/regions`, 'the import method glance-download needs a region to take from')
  }
  for (const [name, region] of regions) {
    for (const fault of regionFaults(region, identity.mode)) {
      report(`${SECTION}/regions/${name}`, fault)
    }
  }
}
