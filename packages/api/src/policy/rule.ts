import type { Caller } from '../identity/caller.ts'

/** What rules see of an image. */
export interface ImageFacts {
  readonly owner: string | null
  readonly visibility: string
}

/** What a rule is asked about. */
export interface Subject {
  readonly caller: Caller
  readonly image: ImageFacts | null
  /** The project that a membership is about. */
  readonly member: string | null
}

export type Check = (subject: Subject) => boolean

/** A rule that was read, with what it needs to be answered. */
export interface Rule {
  readonly check: Check
  /** Names in `%(…)s`. */
  readonly attributes: ReadonlySet<string>
  /** Names in `rule:…`. */
  readonly references: ReadonlySet<string>
}

/** Says what is wrong with the text of a rule. */
export class RuleError extends Error {
  override readonly name = 'RuleError'
}

const ATTRIBUTES: ReadonlyMap<string, (subject: Subject) => string | null> = new Map([
  ['owner', ({ image }: Subject) => image?.owner ?? null],
  ['project_id', ({ image }: Subject) => image?.owner ?? null],
  ['visibility', ({ image }: Subject) => image?.visibility ?? null],
  ['member_id', ({ member }: Subject) => member]
])

const CREDENTIALS: ReadonlyMap<string, (caller: Caller) => string | null> = new Map([
  ['project_id', (caller: Caller) => caller.project],
  ['user_id', (caller: Caller) => caller.user],
  ['domain_id', (caller: Caller) => caller.domain]
])

const KINDS = 'role, service_roles, project_id, user_id, domain_id and rule'
const TOKEN = /\s*([()]|(?:%\(\w*\)s|'[^']*'|[^\s()'])+)/y

function tokensOf(text: string): string[] {
  const tokens: string[] = []
  const end = text.trimEnd().length
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < end) {
    const from = TOKEN.lastIndex
    const token = TOKEN.exec(text)?.[1]
    if (token === undefined) throw new RuleError(`cannot read ${text.slice(from).trim()}`)
    tokens.push(token)
  }
  return tokens
}

/** Reads one rule from left to right: `not` binds closest, then `and`, then `or`. */
class RuleReader {
  readonly attributes = new Set<string>()
  readonly references = new Set<string>()
  readonly #tokens: string[]
  readonly #named: (name: string) => Check

  constructor(text: string, named: (name: string) => Check) {
    this.#tokens = tokensOf(text)
    this.#named = named
  }

  whole(): Check {
    if (this.#tokens.length === 0) {
      throw new RuleError("it is empty; write '@' for everyone or '!' for nobody")
    }
    const check = this.#either()
    const [rest] = this.#tokens
    if (rest !== undefined) throw new RuleError(`'${rest}' is not expected there`)
    return check
  }

  #take(word: string): boolean {
    if (this.#tokens[0]?.toLowerCase() !== word) return false
    this.#tokens.shift()
    return true
  }

  #either(): Check {
    const checks = [this.#both()]
    while (this.#take('or')) checks.push(this.#both())
    return (subject) => checks.some((check) => check(subject))
  }

  #both(): Check {
    const checks = [this.#inverse()]
    while (this.#take('and')) checks.push(this.#inverse())
    return (subject) => checks.every((check) => check(subject))
  }

  #inverse(): Check {
    if (!this.#take('not')) return this.#single()
    const check = this.#inverse()
    return (subject) => !check(subject)
  }

  #single(): Check {
    if (this.#take('(')) {
      const check = this.#either()
      if (!this.#take(')')) throw new RuleError("a ')' is missing")
      return check
    }
    const token = this.#tokens.shift()
    if (token === undefined) throw new RuleError('it ends where a check is expected')
    if (token === '@') return () => true
    if (token === '!') return () => false
    const literal = /^'([^']*)':(.*)$/.exec(token)
    if (literal !== null) return this.#sameText(literal[1] ?? '', literal[2] ?? '')
    const [, kind = '', match = ''] = /^([^:]*):(.*)$/.exec(token) ?? []
    return this.#check(token, kind, match)
  }

  #check(token: string, kind: string, match: string): Check {
    const credential = CREDENTIALS.get(kind)
    if (credential !== undefined) return this.#sameCredential(token, credential, match)
    if (kind === 'role' || kind === 'service_roles') {
      const role = plainName(token, match).toLowerCase()
      return kind === 'role'
        ? ({ caller }) => caller.roles.has(role)
        : ({ caller }) => caller.serviceRoles.has(role)
    }
    if (kind === 'rule') {
      const name = plainName(token, match)
      this.references.add(name)
      return this.#named(name)
    }
    throw new RuleError(`'${token}' is no check; the kinds of checks are ${KINDS}`)
  }

  #sameCredential(
    token: string,
    credential: (caller: Caller) => string | null,
    match: string
  ): Check {
    if (match.startsWith('%')) {
      const attribute = this.#attribute(match)
      return (subject) => {
        const own = credential(subject.caller)
        return own !== null && own === attribute(subject)
      }
    }
    const value = plainName(token, match)
    return ({ caller }) => credential(caller) === value
  }

  #sameText(text: string, match: string): Check {
    const attribute = this.#attribute(match)
    return (subject) => attribute(subject) === text
  }

  #attribute(match: string): (subject: Subject) => string | null {
    const name = /^%\((\w*)\)s$/.exec(match)?.[1] ?? ''
    const attribute = ATTRIBUTES.get(name)
    if (attribute === undefined) {
      const known = [...ATTRIBUTES.keys()].map((each) => `%(${each})s`).join(', ')
      throw new RuleError(`'${match}' is not known; what can be compared is ${known}`)
    }
    this.attributes.add(name)
    return attribute
  }
}

function plainName(token: string, name: string): string {
  if (name === '') throw new RuleError(`'${token}' names nothing after the colon`)
  if (/[%']/.test(name)) throw new RuleError(`'${token}' needs a plain name after the colon`)
  return name
}

/**
 * Reads a rule in the language of oslo.policy, as far as docs/policy.md has it. `named` gives the check
 * behind `rule:NAME`.
 *
 * @throws {RuleError}
 */
export function readRule(text: string, named: (name: string) => Check): Rule {
  const reader = new RuleReader(text, named)
  const check = reader.whole()
  return { check, attributes: reader.attributes, references: reader.references }
}
