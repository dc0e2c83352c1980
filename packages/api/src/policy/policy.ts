import { CLOSED_VISIBILITIES, type ClosedVisibility, TankError } from '@tank/model'
import type { Caller } from '../identity/caller.ts'
import { ACTIONS, type Action } from './actions.ts'
import type { ImageFacts } from './rule.ts'
import type { RuleBook } from './rule-book.ts'

/** Who may do what. Rules about no image get none, rules about a membership its project as well. */
export interface Policy {
  may(caller: Caller, action: Action, image?: ImageFacts | null, member?: string | null): boolean
  /** Throws FORBIDDEN, with a sentence that names what was refused, unless the caller may. */
  demand(caller: Caller, action: Action, image?: ImageFacts | null, member?: string | null): void
  /** The visibilities of which the caller sees every image: the scope that the registry is given. */
  sees(caller: Caller): readonly ClosedVisibility[]
}

/** The policy that a rule book makes. */
export function createPolicy(book: RuleBook): Policy {
  const may: Policy['may'] = (caller, action, image = null, member = null) =>
    !(ACTIONS[action].writes && caller.readOnly) && book.holds(action, { caller, image, member })
  return {
    may,
    demand(caller, action, image, member) {
      if (may(caller, action, image, member)) return
      throw new TankError('FORBIDDEN', `You are not authorized to complete ${action} action.`)
    },
    sees: (caller) =>
      CLOSED_VISIBILITIES.filter((visibility) =>
        may(caller, 'see_any_image', { owner: null, visibility })
      )
  }
}
