import { RE2JS } from 're2js'

/** Says what is wrong with a pattern. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
}

/**
 * Reads a regular expression for names, in the syntax of RE2, and anchors it at the start only. RE2
 * follows all branches at once, so that no pattern and no name can make it slow.
 *
 * @throws {PatternError}
 */
export function readNamePattern(pattern: string): (name: string) => boolean {
  if (pattern === '') throw new PatternError('it is empty')
  try {
    const expression = RE2JS.compile(pattern)
    return (name) => expression.matcher(name).lookingAt()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new PatternError(`it cannot be read: ${why}`, { cause })
  }
}
