import { createHash } from 'node:crypto'
import {
  CONTAINER_FORMATS,
  type ImageDocument,
  VISIBILITIES,
  WRITTEN_DISK_FORMATS
} from '@tank/model'
import { Html, html } from '../../http/html.ts'

const STYLE = `
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 40rem; padding: 1rem }
label { display: block; margin: .8rem 0 0 }
input, select, textarea, button { box-sizing: border-box; font: inherit; width: 100% }
button { margin-top: 1.2rem; padding: .4rem }
code, pre { font: 14px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap }
td { padding: 0 1rem 0 0; vertical-align: top }
small { opacity: .75 }
`

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')

/**
 * Runs nothing, loads nothing, stands in no frame (S-49), and sends only to this service. Not in a
 * sandbox: what is sent from one has no origin, and is taken for a page of somebody else.
 */
export const PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${STYLE_HASH}'`,
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'"
].join('; ')

function page(title: string, body: Html): string {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title><style>${new Html(STYLE)}</style></head>
<body><h1>${title}</h1>
${body}</body></html>
`.text
}

function choice(name: string, values: readonly string[], first: string): Html {
  const options = values.map((value) => html`<option>${value}</option>`)
  return html`<select name="${name}"><option value="">${first}</option>${options}</select>`
}

const TOKEN = html`<label>Token <small>(used for this upload and kept nowhere)</small>
<input type="password" name="token" autocomplete="off" required></label>
`

/** The form. The file comes last: what it is has to be known before its first byte. */
export function formPage(options: { readonly asksToken: boolean }): string {
  return page(
    'Upload an image',
    html`<form method="post" enctype="multipart/form-data">
${options.asksToken ? TOKEN : ''}<label>Name <input name="name" maxlength="255"></label>
<label>Disk format ${choice('disk_format', WRITTEN_DISK_FORMATS, 'choose one, or auto')}</label>
<label>Container format ${choice('container_format', CONTAINER_FORMATS, 'choose one (mostly bare)')}</label>
<label>Who may see it ${choice('visibility', VISIBILITIES, 'your project, and whom you share it with')}</label>
<label>Least disk, in GB <input name="min_disk" inputmode="numeric" pattern="[0-9]*"></label>
<label>Least memory, in MB <input name="min_ram" inputmode="numeric" pattern="[0-9]*"></label>
<label>Tags <small>(with commas between them)</small> <input name="tags"></label>
<label>Properties <small>(NAME=VALUE, one a line)</small> <textarea name="properties" rows="3"></textarea></label>
<label>File <input type="file" name="file" required></label>
<button>Upload</button>
</form>
<p><small>Large files take a while, and this page shows nothing meanwhile; <code>tank push FILE</code> shows
how far it is.</small></p>
`
  )
}

const row = (name: string, value: string) =>
  html`<tr><td>${name}</td><td><code>${value}</code></td></tr>`

/** What became of an upload, and what to do with it. */
export function donePage(image: ImageDocument, url: string): string {
  const { id, name, size, checksum, os_hash_algo: algorithm, os_hash_value: digest } = image
  return page(
    'The image is there',
    html`<table>${row('id', id)}${row('name', name ?? '')}${row('size', `${size ?? 0} bytes`)}
${algorithm !== null && digest !== null ? row(algorithm, digest) : ''}
${checksum === null ? '' : row('md5', checksum)}</table>
<p>Get it back:</p>
<pre>tank pull ${id} --url ${url}</pre>
<p>or, for a program: <code>GET ${url}/v2/images/${id}/file</code>. <a href="upload">Upload another one</a>.</p>
`
  )
}

/** Why nothing became of it. */
export function failedPage(message: string): string {
  return page(
    'Nothing was uploaded',
    html`<p>${message}</p>
<p><a href="upload">Back to the form</a></p>
`
  )
}
