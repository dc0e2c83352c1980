/** Pages of errors run and load nothing (S-49). */
export const HTML_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"

export type ErrorForm = 'json' | 'html' | 'plain'

/** The first media type of `Accept` that an error can have; `otherwise` when it names none. */
export function errorForm(accept: string | undefined, otherwise: ErrorForm): ErrorForm {
  for (const part of (accept ?? '').split(',')) {
    const type = part.split(';', 1)[0]?.trim().toLowerCase()
    if (type === 'text/html' || type === 'application/xhtml+xml') return 'html'
    if (type === 'text/plain') return 'plain'
    if (type === 'application/json') return 'json'
    if (type === '*/*') return otherwise
  }
  return otherwise
}

/** A page of an error; `line` and `text` are HTML already. */
export function errorPage(line: string, text: string): string {
  return `<html>\n <head>\n  <title>${line}</title>\n </head>\n <body>\n  <h1>${line}</h1>\n  ${text}<br /><br />\n\n\n </body>\n</html>`
}
