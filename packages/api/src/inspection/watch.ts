import { createInspector, type ReadRange, type Report, readNeeds } from '@tank/inspect'
import type { FoundData, TankError } from '@tank/model'
import type { FastifyBaseLogger } from 'fastify'
import {
  type Declared,
  diskFormatOf,
  isInspected,
  isMatch,
  refusalOf,
  virtualSizeOf
} from './acceptance.ts'
import { ovfProperties } from './ovf-properties.ts'
import type { InspectionRules } from './rules.ts'

/** An image that comes in, judged while its bytes pass. */
export interface Watch {
  /** Takes the next bytes. An error says that the image is refused, and that no more have to come. */
  feed(chunk: Uint8Array): TankError | undefined
  /**
   * What the image is, once all bytes have passed. `read` reads again what had passed before anybody
   * knew. Throws IMAGE_REFUSED.
   */
  end(read: ReadRange): Promise<FoundData>
}

/** Every header that tells a format lies before this. */
const DECIDED = 68 * 1024

/** Nobody looked at the image. */
const NOT_INSPECTED: Omit<FoundData, 'declared'> = {
  disk_format: null,
  format: null,
  verdict: null,
  virtual_size: null,
  properties: {},
  properties_limit: null
}

/** What an image is that was accepted. */
function foundIn(declared: Declared, report: Report, { properties }: InspectionRules): FoundData {
  const { disk_format, container_format } = declared
  return {
    declared: { disk_format, container_format },
    properties: container_format === 'ova' ? ovfProperties(report, properties) : {},
    properties_limit: properties.limit,
    disk_format: disk_format === 'auto' ? diskFormatOf(report) : null,
    format: report.format,
    verdict: report.verdict === 'unsafe' ? 'unsafe' : 'safe',
    virtual_size: virtualSizeOf(declared, report)
  }
}

/** Judges an image of which all was seen. Throws IMAGE_REFUSED. */
function judged(
  declared: Declared,
  report: Report,
  rules: InspectionRules,
  log: FastifyBaseLogger
): FoundData {
  const refusal = refusalOf(declared, report, rules, { isOver: true })
  if (refusal !== undefined) throw refusal
  const { format, findings } = report
  if (findings.length > 0 || (report.size > 0 && !isMatch(declared, report))) {
    log.warn({ declared, format, findings }, 'an image was accepted with findings')
  }
  return foundIn(declared, report, rules)
}

/** An image whose container is not looked at; `auto` cannot stay (F15). */
function unwatched({ disk_format, container_format }: Declared): Watch {
  const found: FoundData = {
    ...NOT_INSPECTED,
    declared: { disk_format, container_format },
    disk_format: disk_format === 'auto' ? 'raw' : null
  }
  return { feed: () => undefined, end: async () => found }
}

/** Begins to watch an image that comes in. */
export function watchImage(
  declared: Declared,
  rules: InspectionRules,
  log: FastifyBaseLogger
): Watch {
  if (!isInspected(declared)) return unwatched(declared)
  const { maxVirtualSize, severities } = rules
  const inspector = createInspector({ maxVirtualSize, severities })
  let received = 0
  return {
    feed(chunk) {
      const before = received
      const wasUnsafe = inspector.isUnsafe
      received += chunk.length
      inspector.push(chunk)
      const isNews = !wasUnsafe && inspector.isUnsafe
      const isDecided = before < DECIDED && received >= DECIDED
      if (!isNews && !isDecided) return undefined
      return refusalOf(declared, inspector.report(), rules, { isOver: false })
    },
    async end(read) {
      inspector.end()
      await readNeeds(inspector, read)
      return judged(declared, inspector.report(), rules, log)
    }
  }
}

/** Judges an image that lies in a store already. Throws IMAGE_REFUSED. */
export async function judgeStored(
  declared: Declared,
  size: number,
  read: ReadRange,
  rules: InspectionRules,
  log: FastifyBaseLogger
): Promise<FoundData> {
  if (!isInspected(declared)) return unwatched(declared).end(read)
  const { maxVirtualSize, severities } = rules
  const inspector = createInspector({ maxVirtualSize, severities })
  inspector.end(size)
  await readNeeds(inspector, read)
  return judged(declared, inspector.report(), rules, log)
}
