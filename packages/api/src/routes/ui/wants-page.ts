import type { FastifyRequest } from 'fastify'

/** Whether a request wants a page, as browsers say, or JSON. */
export function wantsPage({ headers }: FastifyRequest): boolean {
  for (const part of (headers.accept ?? '').split(',')) {
    const type = part.split(';', 1)[0]?.trim().toLowerCase()
    if (type === 'text/html') return true
    if (type === 'application/json' || type === 'application/problem+json') return false
  }
  return false
}
