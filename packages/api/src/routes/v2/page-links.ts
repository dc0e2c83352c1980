function withoutMarker(query: string): string {
  return query
    .split('&')
    .filter((part) => part !== '' && !/^(?:marker|%6d%61%72%6b%65%72)(?:=|$)/i.test(part))
    .join('&')
}

/** The query as a link may carry it: only what a URL allows, everything else percent-encoded. */
function clean(query: string): string {
  return query.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]/g, (c) => encodeURIComponent(c))
}

/**
 * The links of a page: they start with `/v2/` whatever prefix the request used, and have every
 * parameter of the query (L4).
 */
export function pageLinks(
  collection: string,
  query: string,
  nextMarker: string | undefined
): Readonly<Record<string, string>> {
  const rest = clean(withoutMarker(query))
  const path = `/v2/${collection}`
  const links = {
    first: rest === '' ? path : `${path}?${rest}`,
    schema: `/v2/schemas/${collection}`
  }
  if (nextMarker === undefined) return links
  const marker = `marker=${encodeURIComponent(nextMarker)}`
  return { ...links, next: `${path}?${rest === '' ? '' : `${rest}&`}${marker}` }
}

/** What follows the array of images in a page. */
export function pageTail(query: string, nextMarker: string | undefined): Buffer {
  return Buffer.from(`,${JSON.stringify(pageLinks('images', query, nextMarker)).slice(1)}`)
}
