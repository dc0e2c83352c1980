import { ConfigError } from '@tank/service/config-error'
import { redactUrls } from '@tank/service/redact'

function sentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, port, syscall } = error as NodeJS.ErrnoException & { port?: number }
  if (syscall === 'listen' || syscall === 'bind') {
    if (code === 'EADDRINUSE') {
      return `port ${port} is in use by another program. Choose another with --port.`
    }
    if (code === 'EACCES') return `this user may not listen on port ${port}. Choose another.`
    if (code === 'EADDRNOTAVAIL') return 'the address of --host is not one of this machine.'
  }
  return error.message || error.name
}

/** What went wrong, with its causes, for a person at a terminal: no stack, no credentials. */
export function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message
  const lines: string[] = []
  let at: unknown = error
  while (at !== undefined && lines.length < 8) {
    const line = sentence(at)
    if (!lines.includes(line)) lines.push(line)
    at = at instanceof Error ? at.cause : undefined
  }
  return redactUrls(lines.join('\n  because: '))
}
