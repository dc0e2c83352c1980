// control characters, and those that turn the direction of what follows
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** A text from elsewhere on one line: a name must not be able to steer the terminal. */
export function printable(text: string): string {
  return text.replaceAll(UNSAFE, '\ufffd')
}

const isLayout = (character: string) => character === '\n' || character === '\t'

/** The same for whole output, whose lines and columns stay. */
export function printableLines(text: string): string {
  return text.replaceAll(UNSAFE, (found) => (isLayout(found) ? found : '\ufffd'))
}

/** Whether a text would steer a terminal. */
export const isUnsafe = (text: string) => printableLines(text) !== text

/** JSON, or YAML with such texts in double quotes, that says the same to programs. */
export function printableQuoted(text: string): string {
  return text.replaceAll(UNSAFE, (found) =>
    isLayout(found) ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}
