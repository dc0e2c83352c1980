import type { RegistryClient } from '@tank/client'
import type { Stores } from '@tank/store'
import type { CacheParts } from './cache/open-cache.ts'
import type { Collector } from './collector.ts'
import type { ApiConfig } from './config.ts'
import type { ReadContext } from './download/blob-reader.ts'
import type { ImageMutator } from './images/mutate.ts'
import type { IngestContext } from './ingest/ingest.ts'
import type { RunningUploads } from './ingest/running-uploads.ts'
import type { Signatures } from './ingest/signatures.ts'
import type { LocationInspector } from './locations/inspect.ts'
import type { Policy } from './policy/policy.ts'
import type { PropertyProtections } from './policy/property-protections.ts'
import type { Remotes } from './remotes/remotes.ts'

/** What the routes work with; one for each API process. */
export interface ApiContext {
  readonly config: ApiConfig
  readonly registry: RegistryClient
  readonly policy: Policy
  readonly protections: PropertyProtections
  readonly stores: Stores
  readonly images: ImageMutator
  readonly ingest: IngestContext
  readonly signatures: Signatures
  readonly remotes: Remotes
  readonly running: RunningUploads
  readonly reading: ReadContext
  /** Undefined: none is configured. */
  readonly cache: CacheParts | undefined
  readonly outside: LocationInspector
  /** Looks for background work soon: some was just asked for. */
  readonly workAsked: () => void
  readonly collector: Collector
  readonly publicEndpoint: string
}
