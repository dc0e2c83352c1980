// Who talks to other hosts (S-19). A program that opens a connection somewhere else goes around the rules
// about addresses, certificates and limits.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where that is done. What users name goes through store-http. */
const OUTBOUND = {
  client: /^src\//,
  // only to services that the configuration names: for identity, and images of other regions
  api: /^src\/(identity\/identity-http|outbound\/.*)\.ts$/,
  'store-s3': /^src\//,
  'store-chase': /^src\//,
  'store-http': /^src\//,
  store: /^src\/conformance\//,
  // asks its own socket whether another process listens there
  service: /^src\/run\.ts$/
}

const CLIENTS = 'undici|axios|got|ky|needle|node-fetch|cross-fetch|superagent|ws|eventsource'
const SOCKETS = '(?:node:)?(?:https?|http2|net|tls|dgram)'
const OPENS = 'get|request|Agent|connect|createConnection|createSocket'

const CONNECTS = [
  `(?:from|import|require\\()\\s*\\(?['"](?:${CLIENTS})['"/]`,
  '\\bfetch\\s*\\(',
  '\\bnew (?:WebSocket|EventSource)\\b',
  `\\b(?:https?|http2|net|tls|dgram)\\.(?:${OPENS})\\b`,
  // a whole module has these, too
  `import (?:\\* as )?\\w+ from ['"]${SOCKETS}['"]`,
  `(?:import|require)\\(['"]${SOCKETS}['"]`,
  `import \\{[^}]*\\b(?<!type )(?:${OPENS})\\b[^}]*\\} from ['"]${SOCKETS}['"]`
].map((source) => new RegExp(source))

/** Whether a source file of a package of this name opens connections that it may not. */
export function opensConnections(name, file, text) {
  if (OUTBOUND[name]?.test(file)) return false
  return CONNECTS.some((pattern) => pattern.test(text))
}

/** The source files of a package that open connections and may not, from its folder. */
export function outboundFiles(name, folder) {
  return readdirSync(join(folder, 'src'), { recursive: true })
    .map((path) => join('src', path))
    .filter((file) => file.endsWith('.ts'))
    .filter((file) => opensConnections(name, file, readFileSync(join(folder, file), 'utf8')))
}
