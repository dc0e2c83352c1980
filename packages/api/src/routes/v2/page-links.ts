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
 * What follows the array of images in a page: links that start with `/v2/` whatever prefix the request
 * used, with every parameter of the query (L4).
 */
export function pageTail(query: string, nextMarker: string | undefined): Buffer {
  const rest = clean(withoutMarker(query))
  const first = rest === '' ? '/v2/images' : `/v2/images?${rest}`
  const links: Record<string, string> = { first, schema: '/v2/schemas/images' }
  if (nextMarker !== undefined) {
    links.next = `/v2/images?${rest === '' ? '' : `${rest}&`}marker=${encodeURIComponent(nextMarker)}`
  }
  return Buffer.from(`,${JSON.stringify(links).slice(1)}`)
}
