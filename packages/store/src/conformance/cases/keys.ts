import { type Case, rejectsWith } from '../bench.ts'
import { source } from '../streams.ts'

const id = '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed'

const hostile = [
  '',
  '.',
  '..',
  '../etc/passwd',
  '..%2f..%2fetc%2fpasswd',
  '/etc/passwd',
  'a/b',
  'a\\b',
  'a\0b',
  'a\nb',
  'a b',
  ' a',
  `${id}.partial`,
  `${id}/`,
  `./${id}`,
  id.toUpperCase(),
  '-rf',
  '--help',
  '$(touch x)',
  '`touch x`',
  'a;b',
  'a|b',
  'a?b=c',
  'a#b',
  '%00',
  '%2e%2e',
  'ä',
  '①',
  '\u2025',
  '__proto__',
  'a'.repeat(65),
  'file:///etc/passwd'
] as const

// Stores of outside locations take URLs, and only theirs.
const foreign = [
  'file:///etc/passwd',
  'filesystem:///etc/passwd',
  'swift+config://x/y/z',
  'javascript:alert(1)',
  'data:text/plain,x',
  'http://user:secret@example.org/x',
  'http://example.org/a b',
  'http://example.org/a\nb',
  ' http://example.org/a',
  `http://example.org/${'a'.repeat(3000)}`,
  'http://',
  id,
  ''
] as const

export const keyCases: readonly Case[] = [
  {
    name: 'S-05 S-26 S-39 hostile and foreign keys are refused with BAD_LOCATION',
    async run(bench) {
      const store = await bench.open()
      for (const key of store.accepts === undefined ? hostile : foreign) {
        await rejectsWith('BAD_LOCATION', () => store.stat(key))
        await rejectsWith('BAD_LOCATION', () => store.get(key))
        await rejectsWith('BAD_LOCATION', async () => store.delete?.(key) ?? store.stat(key))
        const body = source(Buffer.from('x'))
        await rejectsWith('BAD_LOCATION', async () => store.put?.(key, body) ?? store.stat(key))
        await rejectsWith('BAD_LOCATION', async () => store.url?.(key) ?? store.stat(key))
      }
    }
  },
  {
    name: 'things that are not even strings are refused with BAD_LOCATION',
    async run(bench) {
      const store = await bench.open()
      for (const key of [undefined, null, 1, {}, [id], { toString: () => id }]) {
        await rejectsWith('BAD_LOCATION', () => store.stat(key as string))
        await rejectsWith('BAD_LOCATION', () => store.get(key as string))
      }
    }
  }
]
