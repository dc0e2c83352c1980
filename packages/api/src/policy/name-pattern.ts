/** Says what is wrong with a pattern. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
}

/** Places in a text, counted in code points. */
type Places = ReadonlySet<number>
/** Every place where a match may end that began at one of the places. */
type Step = (text: readonly string[], from: Places) => Places

const MOST_REPEATS = 255
const PART =
  /(\\[\s\S])|(\[(?:\\[\s\S]|[^\]\\])*\])|(\(\?:|\()|([)|^$.])|([*+?]|\{[\d,]*\})|([\s\S])/uy
const CLASS_ESCAPE = /^\\[dDsSwW]$/

function single(accepts: (character: string) => boolean): Step {
  return (text, from) => {
    const to = new Set<number>()
    for (const place of from) {
      const character = text[place]
      if (character !== undefined && accepts(character)) to.add(place + 1)
    }
    return to
  }
}

function isSame(a: Places, b: Places): boolean {
  return a.size === b.size && [...a].every((place) => b.has(place))
}

function repeated(step: Step, least: number, most: number): Step {
  return (text, from) => {
    let places = from
    for (let count = 0; count < least; count++) {
      const next = step(text, places)
      if (isSame(next, places)) break
      places = next
    }
    const all = new Set(places)
    for (let count = least; count < most && places.size > 0; count++) {
      places = new Set([...step(text, places)].filter((place) => !all.has(place)))
      for (const place of places) all.add(place)
    }
    return all
  }
}

function quantity(text: string): { least: number; most: number } {
  if (text === '*') return { least: 0, most: Number.POSITIVE_INFINITY }
  if (text === '+') return { least: 1, most: Number.POSITIVE_INFINITY }
  if (text === '?') return { least: 0, most: 1 }
  const [, low, comma, high] = /^\{(\d+)(,?)(\d*)\}$/.exec(text) ?? []
  if (low === undefined) throw new PatternError(`'${text}' is no number of repeats`)
  const least = Number(low)
  const unbounded = comma === '' ? least : Number.POSITIVE_INFINITY
  const most = high === '' || high === undefined ? unbounded : Number(high)
  if (least > MOST_REPEATS || (most !== Number.POSITIVE_INFINITY && most > MOST_REPEATS)) {
    throw new PatternError(`'${text}' repeats more than ${MOST_REPEATS} times`)
  }
  if (most < least) throw new PatternError(`'${text}' has its numbers in the wrong order`)
  return { least, most }
}

/** Reads a pattern from left to right into the step that it makes. */
class PatternReader {
  readonly #parts: RegExpMatchArray[]

  constructor(pattern: string) {
    this.#parts = [...pattern.matchAll(new RegExp(PART.source, 'gu'))]
  }

  whole(): Step {
    const step = this.#alternatives()
    if (this.#parts.length > 0) throw new PatternError("it has a ')' too many")
    return step
  }

  #alternatives(): Step {
    const branches = [this.#sequence()]
    while (this.#parts[0]?.[0] === '|') {
      this.#parts.shift()
      branches.push(this.#sequence())
    }
    return (text, from) => new Set(branches.flatMap((branch) => [...branch(text, from)]))
  }

  #sequence(): Step {
    const steps: Step[] = []
    for (let next = this.#parts[0]?.[0]; next !== undefined; next = this.#parts[0]?.[0]) {
      if (next === '|' || next === ')') break
      steps.push(this.#quantified())
    }
    return (text, from) => steps.reduce((places, step) => step(text, places), from)
  }

  #quantified(): Step {
    const step = this.#atom()
    const quantifier = this.#parts[0]?.[5]
    if (quantifier === undefined) return step
    this.#parts.shift()
    // greedy or lazy: whether there is a match is the same
    if (this.#parts[0]?.[5] === '?') this.#parts.shift()
    const { least, most } = quantity(quantifier)
    return repeated(step, least, most)
  }

  #atom(): Step {
    const [all = '', escaped, set, open, mark, quantifier] = this.#parts.shift() ?? []
    if (open !== undefined) return this.#group()
    if (quantifier !== undefined) throw new PatternError(`'${quantifier}' repeats nothing`)
    if (set !== undefined || (escaped !== undefined && CLASS_ESCAPE.test(escaped))) {
      return ofClass(all)
    }
    if (escaped !== undefined) return ofEscape(escaped)
    if (mark === '.') return single(() => true)
    if (mark === '^') return (_text, from) => new Set([...from].filter((place) => place === 0))
    if (mark === '$') {
      return (text, from) => new Set([...from].filter((place) => place === text.length))
    }
    if (all === '[' || all === '\\') throw new PatternError(`it has a '${all}' that nothing ends`)
    return single((character) => character === all)
  }

  #group(): Step {
    const step = this.#alternatives()
    if (this.#parts.shift()?.[0] !== ')') throw new PatternError("it lacks a ')'")
    return step
  }
}

function ofClass(source: string): Step {
  let test: RegExp
  try {
    test = new RegExp(`^${source}$`, 'u')
  } catch {
    throw new PatternError(`it has the class ${source}, which is not right`)
  }
  return single((character) => test.test(character))
}

function ofEscape(escaped: string): Step {
  const [, character = ''] = [...escaped]
  if (/[A-Za-z0-9]/.test(character)) {
    throw new PatternError(
      `it has '${escaped}'; of the escapes with letters there are \\d \\w \\s \\D \\W \\S`
    )
  }
  return single((each) => each === character)
}

/**
 * Reads a regular expression for names: literals, `.`, classes, groups, `|`, `^`, `$` and repeats.
 * It is anchored at the start only. All branches are followed at once, so that there is
 * nothing to go back to: no pattern and no name can make it slow.
 *
 * @throws {PatternError}
 */
export function readNamePattern(pattern: string): (name: string) => boolean {
  if (pattern === '') throw new PatternError('it is empty')
  const step = new PatternReader(pattern).whole()
  return (name) => step([...name], new Set([0])).size > 0
}
