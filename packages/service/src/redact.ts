import { TOKEN_SECRETS } from './token-secret.ts'

const USER_INFO = /([a-z][a-z0-9+.-]*:\/\/)[^\s/?#@]+@/gi
const SECRET_QUERY =
  /([?&][^=&\s#]*(?:sig|signature|token|secret|password|credential|x-amz-[^=&\s#]*)=)[^&\s#]+/gi

/** Takes user info and signing parameters out of the URLs inside a text, and tokens of our own. */
export function redactUrls(text: string): string {
  return text
    .replace(USER_INFO, '$1***@')
    .replace(SECRET_QUERY, '$1***')
    .replace(TOKEN_SECRETS, 'tank_***')
}
