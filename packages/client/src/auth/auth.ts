/** Text of a token, or a function that is called for the token of each request. */
export type TokenSource = string | (() => Promise<string>)

/** Where the tokens of a client come from. */
export interface Auth {
  /** The token for the next request, made or renewed when that is needed. */
  token(): Promise<string>
  /** A server refused this token. True when `token` may give another one now. */
  refuse(token: string): boolean
}

/** A token that somebody else takes care of. */
export function tokenAuth(source: TokenSource): Auth {
  if (typeof source === 'function') return { token: source, refuse: () => true }
  return { token: async () => source, refuse: () => false }
}

/** An identity service that also knows where the services are. */
export interface CatalogAuth extends Auth {
  /** URL of the image service, by the catalogue that came with the token. */
  endpoint(choice?: EndpointChoice): Promise<string>
}

/** Which of the image services of a catalogue is meant. */
export interface EndpointChoice {
  /** Needed where the catalogue has several. */
  readonly region?: string | undefined
  /** `public` unless told */
  readonly interface?: 'public' | 'internal' | 'admin' | undefined
}
