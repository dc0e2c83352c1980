import type { RegistryClient } from '@tank/client'
import type { BackgroundKind, Job, RegistryCaller } from '@tank/model'
import type { FastifyBaseLogger } from 'fastify'
import type { ReadContext } from '../download/blob-reader.ts'
import type { DigestPool } from '../ingest/digests.ts'
import type { Signatures } from '../ingest/signatures.ts'
import type { InspectionRules } from '../inspection/rules.ts'
import type { Remotes } from '../remotes/remotes.ts'

/** What all background work of this process shares. */
export interface JobContext {
  readonly registry: RegistryClient
  readonly reading: ReadContext
  readonly digests: DigestPool
  readonly signatures: Signatures
  readonly remotes: Remotes
  /** Most bytes of one image. */
  readonly cap: number
  readonly osHashAlgo: string
  readonly md5: boolean
  /** What imported images are held against. */
  readonly inspection: InspectionRules
  /** Data at outside locations is read and hashed. */
  readonly secureHashing: boolean
  /** Work whose bytes do not move for so long is given up. */
  readonly stallMs: number
  /** Called when bytes were left to the collector. */
  readonly garbageLeft: () => void
}

/** One piece of work while this process has it. */
export interface JobRun {
  readonly job: Job
  readonly attempt: string
  /** Who asked for it, with the reach of an administrator: that was decided when it was asked for. */
  readonly caller: RegistryCaller
  /** Aborts when the work is not ours any more, or has to stop. */
  readonly signal: AbortSignal
  /** Counts bytes: heartbeats tell them, and work that moves none for too long is given up. */
  readonly advance: (bytes: number) => void
  readonly log: FastifyBaseLogger
}

/** Reading for whoever wants it: what ends it, and who counts its bytes. */
export type Reading = Pick<JobRun, 'signal' | 'advance'>

/** Does one kind of work; it reports its own end. A throw is a failure of the whole. */
export type JobHandler = (context: JobContext, run: JobRun) => Promise<void>

export type JobHandlers = Readonly<Record<BackgroundKind, JobHandler>>
