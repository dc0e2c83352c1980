import { ConfigError } from '@tank/service'
import { createPolicy, type Policy } from './policy.ts'
import {
  type PropertyProtections,
  type ProtectionEntry,
  readProtections
} from './property-protections.ts'
import { type Overrides, type Report, RuleBook } from './rule-book.ts'

/** The part of the configuration that says who may do what. */
interface AccessConfig {
  readonly policy: Overrides
  readonly propertyProtections: readonly ProtectionEntry[]
}

export interface Access {
  readonly policy: Policy
  readonly protections: PropertyProtections
}

function readAccess(config: AccessConfig, report: Report): Access {
  const book = new RuleBook(config.policy, report)
  return {
    policy: createPolicy(book),
    protections: readProtections(config.propertyProtections, book, report)
  }
}

/** Reports everything that is wrong with rules and protections, below the pointer of the section. */
export function checkAccess(config: AccessConfig, report: Report): void {
  readAccess(config, report)
}

/**
 * Who may do what, read from the configuration.
 *
 * @throws {ConfigError} with every fault at once
 */
export function createAccess(config: AccessConfig): Access {
  const faults: string[] = []
  const access = readAccess(config, (pointer, message) => faults.push(`${pointer}: ${message}`))
  if (faults.length > 0) throw new ConfigError(faults)
  return access
}
