import { BASE_ATTRIBUTES, TankError } from '@tank/model'
import type { Caller } from '../identity/caller.ts'
import { PatternError, readNamePattern } from './name-pattern.ts'
import type { Check } from './rule.ts'
import type { Report, RuleBook } from './rule-book.ts'

const OPERATIONS = ['create', 'read', 'update', 'delete'] as const
export type PropertyOperation = (typeof OPERATIONS)[number]

/** One entry of the configuration: names that begin so, and who may do what with them. */
export type ProtectionEntry = Readonly<Record<'match' | PropertyOperation, string>>

/** Who may do what with custom properties (PP1–PP6). */
export interface PropertyProtections {
  /** Without entries nothing is protected. */
  readonly isOn: boolean
  may(caller: Caller, operation: PropertyOperation, name: string): boolean
}

interface Section {
  readonly matches: (name: string) => boolean
  readonly checks: ReadonlyMap<PropertyOperation, Check>
}

function readPattern(pattern: string, pointer: string, report: Report): Section['matches'] {
  try {
    return readNamePattern(pattern)
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    report(pointer, `the pattern ${JSON.stringify(pattern)}: ${error.message}`)
    return () => false
  }
}

/** Role names between commas; `@` and `!` stand alone. */
function readRoles(text: string, pointer: string, report: Report): Check {
  const names = text.split(',').map((name) => name.trim().toLowerCase())
  const say = (message: string): Check => {
    report(pointer, `${JSON.stringify(text)} ${message}`)
    return () => false
  }
  if (names.includes('')) return say("has a role without a name; '!' stands for nobody")
  if (names.length === 1 && names[0] === '@') return () => true
  if (names.length === 1 && names[0] === '!') return () => false
  const odd = names.find((name) => /[@!\s'"%()]/.test(name))
  if (odd === '@' || odd === '!') return say(`has '${odd}' among roles; it has to stand alone`)
  if (odd !== undefined) return say(`has '${odd}', which is no name of a role`)
  return ({ caller }) => names.some((name) => caller.roles.has(name))
}

function readCheck(text: string, pointer: string, book: RuleBook, report: Report): Check {
  if (!text.includes(':')) return readRoles(text, pointer, report)
  return book.callerRule(text, pointer)?.check ?? (() => false)
}

/** Reads the entries; `report` hears of everything that is wrong with them. */
export function readProtections(
  entries: readonly ProtectionEntry[],
  book: RuleBook,
  report: Report
): PropertyProtections {
  const sections = entries.map((entry, index): Section => {
    const pointer = `/propertyProtections/${index}`
    return {
      matches: readPattern(entry.match, `${pointer}/match`, report),
      checks: new Map(
        OPERATIONS.map((operation) => [
          operation,
          readCheck(entry[operation], `${pointer}/${operation}`, book, report)
        ])
      )
    }
  })
  return {
    isOn: sections.length > 0,
    may(caller, operation, name) {
      if (sections.length === 0 || isExempt(name)) return true
      const section = sections.find(({ matches }) => matches(name))
      return section?.checks.get(operation)?.({ caller, image: null, member: null }) ?? false
    }
  }
}

/** Attributes and the bookkeeping of the service are no properties of users (PP5). */
function isExempt(name: string): boolean {
  return BASE_ATTRIBUTES.has(name) || name.startsWith('os_glance')
}

/** Throws FORBIDDEN unless the caller may create the property. */
export function demandNewProperty(
  protections: PropertyProtections,
  caller: Caller,
  name: string
): void {
  if (!protections.may(caller, 'create', name)) refuse('create', name)
}

/**
 * Throws FORBIDDEN unless the caller may change the property. One that the caller cannot read answers
 * like one that is not there.
 */
export function demandPropertyChange(
  protections: PropertyProtections,
  caller: Caller,
  operation: 'update' | 'delete',
  name: string
): void {
  const allowed = protections.may(caller, 'read', name) && protections.may(caller, operation, name)
  if (!allowed) refuse(operation, name)
}

function refuse(operation: PropertyOperation, name: string): never {
  throw new TankError(
    'FORBIDDEN',
    `You are not permitted to ${operation} the property '${name.slice(0, 255)}'.`
  )
}
