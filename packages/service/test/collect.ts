import { Writable } from 'node:stream'

/** A stream for a logger, and the lines that came out of it. */
export function collect() {
  const lines: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    }
  })
  return { lines, stream }
}
