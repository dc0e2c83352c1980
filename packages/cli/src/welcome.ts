import { randomUUID } from 'node:crypto'

export interface WelcomeFacts {
  readonly url: string
  readonly dataDir: string
  readonly database: string
  /** Where each store keeps its data, as far as that is known. */
  readonly images: string
  readonly workers: number
  readonly notes: readonly string[]
  readonly identity: string
  /** Flags that lead `tank token create` here; undefined: nobody needs a token. */
  readonly tokenFlags?: string | undefined
}

/** What a person reads when `tank serve` is ready: what runs where, and what to type next. */
export function welcome(facts: WelcomeFacts): string {
  const { url } = facts
  const id = randomUUID()
  const { tokenFlags } = facts
  const token = tokenFlags === undefined ? '' : ` -H "X-Auth-Token: $TOKEN"`
  const making =
    tokenFlags === undefined
      ? []
      : [`  TOKEN=$(tank token create --name first --project demo ${tokenFlags})`]
  const workers = facts.workers === 1 ? '1 process' : `${facts.workers} processes`
  return [
    '',
    `Tank serves images at ${url} (${workers})`,
    '',
    `  images    ${facts.images}`,
    `  database  ${facts.database}`,
    `  identity  ${facts.identity}`,
    ...facts.notes.map((note) => `  note      ${note}`),
    '',
    'Try it:',
    '',
    ...making,
    `  curl ${url}/v2/images${token} -H 'Content-Type: application/json' -d '{"id": "${id}", "name": "first", "disk_format": "raw", "container_format": "bare"}'`,
    `  curl ${url}/v2/images/${id}/file${token} -H 'Content-Type: application/octet-stream' -T disk.img`,
    `  curl ${url}/v2/images/${id}/file${token} -o copy.img`,
    '',
    'Ctrl-C stops it.',
    ''
  ].join('\n')
}
