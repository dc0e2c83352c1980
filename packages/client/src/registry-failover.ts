import { TankError } from '@tank/model'
import { problemToError } from './problems.ts'
import { type Answer, type CallRequest, type Transport, TransportError } from './transport.ts'

export interface FailoverAnswer extends Answer {
  /** An earlier sending of the same request, unanswered or answered 502 to 504, may have done it. */
  readonly repeated: boolean
}

/** Equal servers over one database, in order of preference. */
export interface RegistryServers {
  /** Sends to the server that answered last, then to the others in order. Rejects with a TankError. */
  call(request: CallRequest): Promise<FailoverAnswer>
  close(): Promise<void>
}

export function createRegistryServers(transports: readonly Transport[]): RegistryServers {
  let preferred = 0
  return {
    async call(request) {
      const failures: Error[] = []
      let repeated = false
      for (let step = 0; step < transports.length; step++) {
        const index = nth(preferred, step)
        const transport = transports[index]
        if (transport === undefined) break
        const outcome = await attempt(transport, request)
        repeated ||= outcome.sent
        if ('answer' in outcome) {
          preferred = index
          return Object.assign(outcome.answer, { repeated })
        }
        failures.push(outcome.failure)
      }
      throw unavailable(failures)
    },
    async close() {
      await Promise.all(transports.map((transport) => transport.close()))
    }
  }
}

/** The preferred server comes first, the others keep their order. */
function nth(preferred: number, step: number): number {
  if (step === 0) return preferred
  return step <= preferred ? step - 1 : step
}

/** `sent`: this server may have carried out the request without our knowing. */
type Outcome = { answer: Answer; sent: boolean } | { failure: Error; sent: boolean }

async function attempt(transport: Transport, request: CallRequest): Promise<Outcome> {
  let sent = false
  // A kept socket may have been closed by the server just now: such a call gets a second, new one.
  for (let round = 0; ; round++) {
    try {
      const answer = await transport.call(request)
      if (answer.status < 502 || answer.status > 504) return { answer, sent }
      // a database that fell silent while it committed makes a 503, too
      return { failure: problemToError(answer), sent: true }
    } catch (error) {
      if (!(error instanceof TransportError)) throw error
      if (error.reason === 'invalid') {
        throw new TankError('INVALID_REQUEST', error.message, { cause: error })
      }
      sent ||= error.sent
      if (error.reason !== 'closed' || round > 0) return { failure: error, sent }
    }
  }
}

function unavailable(failures: readonly Error[]): TankError {
  const texts = failures.map((failure) => failure.message).join('; ')
  const cause = failures.length === 1 ? failures[0] : new AggregateError(failures, texts)
  return new TankError('REGISTRY_UNAVAILABLE', `no registry answers: ${texts}`, { cause })
}
