import type { CallOptions } from '@tank/store'
import { type Static, Type } from 'typebox'
import Value from 'typebox/value'
import type { Account } from './account.ts'
import { untilAborted } from './patience.ts'

const GiB = 1024 * 1024 * 1024

/** What a cluster grants. */
export interface Limits {
  /** Bytes of one object. */
  readonly maxObject: number
  /** Entries of one manifest. */
  readonly maxSegments: number
  /** Bytes of each segment but the last. */
  readonly minSegment: number
  /** Whether a manifest may list manifests. */
  readonly nests: boolean
  /** The best digest for signed URLs; undefined: there are none. */
  readonly urlDigest: 'sha256' | 'sha1' | undefined
}

const count = Type.Optional(Type.Number({ minimum: 1 }))
const info = Type.Object({
  swift: Type.Optional(Type.Object({ max_file_size: count })),
  slo: Type.Optional(
    Type.Object({
      max_manifest_segments: count,
      min_segment_size: Type.Optional(Type.Number({ minimum: 0 }))
    })
  ),
  tempurl: Type.Optional(Type.Object({ allowed_digests: Type.Optional(Type.Array(Type.String())) }))
})

/** For clusters that do not show `/info`: what nearly all of them grant. */
const USUAL: Limits = {
  maxObject: 5 * GiB,
  maxSegments: 1000,
  minSegment: 1,
  nests: false,
  urlDigest: 'sha256'
}

/** Asks a cluster for its limits, once. */
export class LimitsOfCluster {
  readonly #account: Account
  #limits: Promise<Limits> | undefined

  constructor(account: Account) {
    this.#account = account
  }

  get({ signal }: CallOptions): Promise<Limits> {
    this.#limits ??= this.#ask().catch((error: unknown) => {
      this.#limits = undefined
      throw error
    })
    return untilAborted(this.#limits, signal)
  }

  async #ask(): Promise<Limits> {
    const url = infoUrl(await this.#account.url({}))
    const answer = await this.#account.ask(url, {})
    const text = await answer.body.text(1024 * 1024)
    return answer.status === 200 ? readLimits(text) : USUAL
  }
}

/** `/info` lies beside the `/v1` of accounts: `/v1/AUTH_x` has `/info`, `/swift/v1` has `/swift/info`. */
function infoUrl(storageUrl: URL): URL {
  const url = new URL(storageUrl)
  url.pathname = `${/^(.*?)\/v1(?:\.0)?(?:\/|$)/.exec(url.pathname)?.[1] ?? ''}/info`
  return url
}

export function readLimits(text: string): Limits {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    return USUAL
  }
  if (!Value.Check(info, given)) return USUAL
  const { swift = {}, slo = {}, tempurl } = given
  return {
    maxObject: swift.max_file_size ?? USUAL.maxObject,
    maxSegments: slo.max_manifest_segments ?? USUAL.maxSegments,
    minSegment: Math.max(1, slo.min_segment_size ?? 1),
    // Only Swift itself has a smallest size here, and only Swift itself reads nested manifests: the
    // RADOS Gateway refuses them.
    nests: slo.min_segment_size !== undefined,
    urlDigest: digest(tempurl)
  }
}

function digest(tempurl: Static<typeof info>['tempurl']): Limits['urlDigest'] {
  if (tempurl === undefined) return undefined
  // The gateways that do not say what they allow allow SHA-1 only.
  return tempurl.allowed_digests?.includes('sha256') ? 'sha256' : 'sha1'
}
