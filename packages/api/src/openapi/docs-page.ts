import { createHash } from 'node:crypto'
import { Html, html } from '../http/html.ts'
import type { ApiContent, ApiDocument, ApiOperation, ApiParameter, ApiSchema } from './document.ts'

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881 }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem }
h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem }
code, pre { font: 14px/1.45 ui-monospace, monospace }
details { border: 1px solid var(--line); border-radius: 4px; margin: .5rem 0 }
summary { cursor: pointer; padding: .4rem .7rem }
summary b { display: inline-block; width: 4.5rem }
details > div { padding: 0 .9rem .5rem }
table { border-collapse: collapse; width: 100% }
th, td { border-top: 1px solid var(--line); padding: .25rem .5rem; text-align: left; vertical-align: top }
td:first-child { overflow-wrap: anywhere; width: 30% }
:target { background: var(--soft) }
small { opacity: .75 }
`

/** Runs nothing, loads nothing, sends nothing, and stands in no frame (S-49). */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  'sandbox'
].join('; ')

const SECTION = '#/components/schemas/'

/** Text with \`code\` in it. */
function prose(text: string | undefined): Html {
  const parts = (text ?? '').split('`')
  return html`${parts.map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : html`${part}`))}`
}

function typeOf(schema: ApiSchema): Html {
  const { $ref, items, type, enum: values } = schema
  if ($ref?.startsWith(SECTION)) {
    const name = $ref.slice(SECTION.length)
    return html`<a href="#schema-${name}">${name}</a>`
  }
  if (items !== undefined) return html`list of ${typeOf(items)}`
  if (values !== undefined) return html`${values.map(String).join(' | ')}`
  return html`${[type ?? 'anything'].flat().join(' or ')}`
}

function table(rows: readonly Html[]): Html {
  return rows.length === 0 ? html`` : html`<table>${rows}</table>`
}

function row(name: string, what: Html, about: Html): Html {
  return html`<tr><td><code>${name}</code></td><td>${what}<br><small>${about}</small></td></tr>`
}

function fields(schema: ApiSchema): Html {
  const { properties = {}, required = [], additionalProperties: others } = schema
  const rows = Object.entries(properties).map(([name, field]) => {
    const marks = [
      ...(required.includes(name) ? ['required'] : []),
      ...(field.readOnly === true ? ['read-only'] : [])
    ]
    const what = html`${typeOf(field)}${marks.length > 0 ? html` <i>${marks.join(', ')}</i>` : ''}`
    const inner = field.$ref === undefined ? fields(field.items ?? field) : html``
    return row(name, what, html`${prose(field.description)}${inner}`)
  })
  if (typeof others === 'object') rows.push(row('…', typeOf(others), prose(others.description)))
  return table(rows)
}

function bodies(content: ApiContent): Html {
  return html`${Object.entries(content).map(
    ([type, { schema }]) =>
      html`<p><code>${type}</code>: ${typeOf(schema)} <small>${prose(schema.description)}</small></p>${schema.$ref === undefined ? fields(schema) : ''}`
  )}`
}

function parameter({ name, in: place, required, description, schema }: ApiParameter): Html {
  const mark = required === true && place !== 'path' ? html` <i>required</i>` : ''
  return row(name, html`${place}: ${typeOf(schema)}${mark}`, prose(description))
}

function answers(responses: ApiOperation['responses']): Html {
  const rows = Object.entries(responses).map(([status, { description, content = {}, headers }]) => {
    const isError = Number(status) >= 400
    const types = isError ? html`${Object.keys(content).join(', ')}` : bodies(content)
    const names = Object.keys(headers ?? {}).join(', ')
    return row(
      status,
      prose(description),
      html`${types}${names === '' ? '' : html`<p>${names}</p>`}`
    )
  })
  return table(rows)
}

function section(path: string, method: string, operation: ApiOperation): Html {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation
  return html`<details id="${operationId}">
<summary><b>${method.toUpperCase()}</b> <code>${path}</code> ${summary}</summary>
<div><p>${prose(description)}</p>
${operation.security?.length === 0 ? html`<p>Needs no token.</p>` : ''}
${parameters.length > 0 ? html`<h4>Parameters</h4>${table(parameters.map(parameter))}` : ''}
${requestBody === undefined ? '' : html`<h4>Body</h4>${bodies(requestBody.content)}`}
<h4>Answers</h4>${answers(responses)}</div></details>
`
}

/** A page for people of an OpenAPI document, and the Content-Security-Policy to send with it. */
export function docsPage(document: ApiDocument): {
  readonly html: string
  readonly policy: string
} {
  const all = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation }))
  )
  const groups = document.tags.map(({ name, description }) => {
    const own = all.filter(({ operation }) => operation.tags.includes(name))
    const sections = own.map(({ path, method, operation }) => section(path, method, operation))
    return html`<h2 id="${name}">${name}</h2><p>${prose(description)}</p>${sections}`
  })
  const schemas = Object.entries(document.components.schemas).map(
    ([name, schema]) =>
      html`<h3 id="schema-${name}">${name}</h3><p>${prose(schema.description)}</p>${fields(schema.items ?? schema)}`
  )
  const { title, description } = document.info
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title><style>${new Html(STYLE)}</style></head>
<body><h1>${title}</h1><p>${prose(description)}</p>
<p>For programs: <a href="openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>
${groups}<h2>Schemas</h2>${schemas}</body></html>
`
  return { html: page.text, policy: POLICY }
}
