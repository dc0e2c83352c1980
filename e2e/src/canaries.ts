import { randomBytes } from 'node:crypto'

// shorter than what is taken for a signature and so never shown
const canary = () => `canary${randomBytes(10).toString('hex')}`

/** Secrets that are put into the configuration, and then looked for. */
export const SECRETS = {
  s3Access: canary(),
  s3Secret: canary(),
  s3Session: canary(),
  chaseUser: canary(),
  chaseKey: canary(),
  chaseToken: canary(),
  tempUrlKey: canary(),
  registrySecret: canary(),
  databasePassword: canary(),
  locationToken: canary(),
  locationPassword: canary(),
  planted: canary()
}
export type SecretName = keyof typeof SECRETS

/** Something that left Tank: an answer, a log, a row of a table. */
export interface Seen {
  readonly where: string
  readonly text: string
  /** What it is there to hold. */
  readonly holds?: readonly SecretName[]
}

/** A text, and what base64 makes of it at each place in a longer one. */
function formsOf(secret: string): string[] {
  const inBase64 = [0, 1, 2].map((shift) => {
    const text = Buffer.from(`${'x'.repeat(shift)}${secret}`).toString('base64')
    return text.slice(4, -4)
  })
  return [secret, ...inBase64]
}

const FORMS = Object.entries(SECRETS).map(([name, secret]) => ({ name, forms: formsOf(secret) }))

const SIGNATURE = /(?:Signature|Credential)(?:=|%3D)[^\s"&,<*]{8}/i

/** The places that a line shows a secret at, each once. */
function leaksOf(line: string, holds: readonly SecretName[]): string[] {
  const around = (at: number) => line.slice(Math.max(0, at - 200), at + 60)
  const found = FORMS.flatMap(({ name, forms }) => {
    const at = holds.some((each) => each === name)
      ? -1
      : Math.max(...forms.map((each) => line.indexOf(each)))
    return at < 0 ? [] : [`${name}: ${around(at)}`]
  })
  const at = line.search(SIGNATURE)
  return at < 0 ? found : [...found, `a signature: ${around(at)}`]
}

/** Every secret that is somewhere, with what stands around it; a few of each kind. */
export function leaksIn(seen: readonly Seen[]): string[] {
  const found = new Map<string, string>()
  for (const { where, text, holds = [] } of seen) {
    for (const line of text.split('\n')) {
      for (const leak of leaksOf(line, holds))
        found.set(`${where}: ${leak.slice(0, leak.indexOf(':'))}`, leak)
    }
  }
  return [...found].map(([where, leak]) => `${where}${leak.slice(leak.indexOf(':'))}`)
}
