import { ACTIONS, type ActionEntry, type Scope } from './actions.ts'
import { type Rule, RuleError, readRule, type Subject } from './rule.ts'

/** Takes what is wrong with the configuration: a JSON pointer below section `api`, and a sentence. */
export type Report = (pointer: string, message: string) => void

/** Rules by the name of their action, where the defaults do not do. */
export type Overrides = Readonly<Record<string, string>>

const SEEN: Readonly<Record<Scope, ReadonlySet<string>>> = {
  caller: new Set(),
  visibility: new Set(['visibility']),
  image: new Set(['owner', 'project_id', 'visibility']),
  member: new Set(['owner', 'project_id', 'visibility', 'member_id'])
}

function whyUnseen(pointer: string, scope: Scope): string {
  if (pointer === placeOf('get_images') || pointer === placeOf('get_image')) {
    return 'this rule only says who may ask; see_any_image says who sees more than visibility gives'
  }
  if (scope === 'visibility') return 'of images it knows the visibility alone'
  return scope === 'caller' ? 'there is no image to look at' : 'there is no member to look at'
}

const placeOf = (action: string) => `/policy/${action}`

/** The rules in force by name. */
export class RuleBook {
  readonly #rules = new Map<string, Rule>()
  readonly #report: Report

  constructor(overrides: Overrides, report: Report) {
    this.#report = report
    for (const name of Object.keys(overrides)) {
      if (!Object.hasOwn(ACTIONS, name)) {
        report(placeOf(name), 'there is no such action; docs/policy.md lists them all')
      }
    }
    const entries = Object.entries<ActionEntry>(ACTIONS)
    for (const [name, entry] of entries) {
      const rule = this.#read(overrides[name] ?? entry.rule, placeOf(name))
      if (rule !== undefined) this.#rules.set(name, rule)
    }
    for (const [name, { scope }] of entries) {
      const rule = this.#rules.get(name)
      if (rule !== undefined) this.#checkNeeds(rule, scope, [name], placeOf(name))
    }
  }

  holds(name: string, subject: Subject): boolean {
    return this.#rules.get(name)?.check(subject) ?? false
  }

  /** Reads a rule that looks at the caller alone; undefined, and a report, when it is not right. */
  callerRule(text: string, pointer: string): Rule | undefined {
    const rule = this.#read(text, pointer)
    if (rule !== undefined) this.#checkNeeds(rule, 'caller', [], pointer)
    return rule
  }

  #read(text: string, pointer: string): Rule | undefined {
    try {
      return readRule(text, (name) => (subject) => this.holds(name, subject))
    } catch (error) {
      if (!(error instanceof RuleError)) throw error
      this.#report(pointer, `the rule ${JSON.stringify(text)}: ${error.message}`)
      return undefined
    }
  }

  /** Reports references that lead nowhere or in a circle, and attributes that are not there. */
  #checkNeeds(rule: Rule, scope: Scope, path: readonly string[], pointer: string): void {
    for (const attribute of rule.attributes) {
      if (SEEN[scope].has(attribute)) continue
      const last = path.at(-1)
      const via = last === undefined || pointer === placeOf(last) ? '' : ` (in rule:${last})`
      this.#report(pointer, `cannot use %(${attribute})s${via}: ${whyUnseen(pointer, scope)}`)
    }
    for (const name of rule.references) {
      if (path.includes(name)) {
        this.#report(pointer, `refers to itself: ${[...path, name].join(' → ')}`)
      } else if (!Object.hasOwn(ACTIONS, name)) {
        this.#report(pointer, `rule:${name} is the name of no action`)
      } else {
        const next = this.#rules.get(name)
        if (next !== undefined) this.#checkNeeds(next, scope, [...path, name], pointer)
      }
    }
  }
}
