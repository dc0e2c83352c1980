import type { BeginOperation, GarbagePlacement } from '@tank/model'
import type { Answer, TestCaller, TestRegistry } from './registry.ts'

/** What workers, collectors and administrators call. */
export interface TestWorker {
  begin(operation: BeginOperation, caller?: TestCaller): Promise<Answer>
  act(
    operation: BeginOperation,
    action: 'heartbeat' | 'finish' | 'abandon',
    body: object
  ): Promise<Answer>
  abandon(operation: BeginOperation): Promise<Answer>
  statusOf(imageId: string): Promise<unknown>
  usage(project: string): Promise<Answer['json']>
  claim(store: string): Promise<GarbagePlacement[]>
  deleted(garbage: GarbagePlacement): Promise<Answer>
}

const P1: TestCaller = { project: 'P1', user: 'ann' }
const ADMIN: TestCaller = { scope: 'all' }

export function createWorker({ call }: TestRegistry): TestWorker {
  const act: TestWorker['act'] = (operation, action, body) =>
    call(P1, 'POST', `/operations/${operation.id}/${action}`, body)
  return {
    act,
    begin: (operation, caller = P1) => call(caller, 'POST', '/operations', operation),
    abandon: (operation) =>
      act(operation, 'abandon', { attempt: operation.attempt, reason: 'test' }),
    statusOf: async (imageId) => (await call(ADMIN, 'GET', `/images/${imageId}`)).json.status,
    usage: async (project) => (await call(ADMIN, 'GET', `/usage/${project}`)).json,
    claim: async (store) => {
      const answer = await call(ADMIN, 'POST', '/garbage/claim', { stores: [store], limit: 100 })
      return answer.json.garbage as GarbagePlacement[]
    },
    deleted: (garbage) =>
      call(ADMIN, 'POST', `/garbage/${garbage.id}/deleted`, { claim: garbage.claim })
  }
}
