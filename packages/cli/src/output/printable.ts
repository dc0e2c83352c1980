// control characters, and those that turn the direction of what follows
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** A text from elsewhere on one line: a name must not be able to steer the terminal. */
export function printable(text: string): string {
  return text.replaceAll(UNSAFE, '\ufffd')
}
