import { Client } from 'pg'
import { markdownTable, show } from './figures.ts'
import { clearCatalogue, fillCatalogue, imageId } from './fill.ts'
import { runLoad } from './keep-alive.ts'
import type { Options, Target } from './options.ts'
import { requestHead } from './wire.ts'

const PAGE = 20
const WARM = 30
const REQUESTS = 200

export interface PageFigure {
  readonly page: string
  readonly size: number
  /** images on the page */
  readonly images: number
  /** milliseconds */
  readonly p50: number
  readonly p99: number
}

/** Times the pages that people ask for, one request after the other, at each size. */
export async function runPages(
  options: Options,
  say: (text: string) => void
): Promise<PageFigure[]> {
  const [target] = options.targets
  if (target === undefined) throw new Error('--target is missing')
  const database = new Client({ connectionString: options.database })
  await database.connect()
  const figures: PageFigure[] = []
  try {
    await clearCatalogue(database)
    let have = 0
    for (const size of [...options.sizes].sort((one, other) => one - other)) {
      say(`filling the catalogue up to ${size}`)
      await fillCatalogue(database, have + 1, size)
      have = size
      const pages = pagesOf(size, await imageId(database, deepIndex(size)))
      for (const [page, query] of Object.entries(pages)) {
        say(`${page} @ ${size}`)
        figures.push({ page, size, ...(await timePage(target, query)) })
      }
    }
    await clearCatalogue(database)
  } finally {
    await database.end()
  }
  return figures
}

/** Nine tenths down from the newest, owned by project-3. */
function deepIndex(size: number): number {
  return Math.floor(size / 100) * 10 + 3
}

/** In the middle, owned by project-3 and public, so that every caller finds it. */
function publicIndex(size: number): number {
  let index = Math.floor(size / 20) * 10 + 3
  while (Math.floor(index / 7) % 5 !== 0) index += 10
  return index
}

function pagesOf(size: number, marker: string): Record<string, string> {
  return {
    'default list': '',
    'deep marker': `marker=${marker}`,
    'visibility=public': 'visibility=public',
    'by name': `name=image-${publicIndex(size)}`,
    'by owner': 'owner=project-3',
    'tag of a tenth': 'tag=common',
    'rare tag': 'tag=rare',
    'property of a tenth': 'flavour=common',
    'rare property': 'flavour=rare',
    status: 'status=deactivated',
    'sorted by name': 'sort=name:asc'
  }
}

async function timePage(
  target: Target,
  query: string
): Promise<{ images: number; p50: number; p99: number }> {
  const path = `/v2/images?limit=${PAGE}${query === '' ? '' : `&${query}`}`
  const images = await countImages(target, path)
  if (images === 0) throw new Error(`${path}: the page is empty`)
  const load = {
    endpoint: target.endpoint,
    request: requestHead(target.endpoint, 'GET', path),
    connections: 1,
    status: 200
  }
  await runLoad({ ...load, requests: WARM })
  const { p50, p99, bad } = await runLoad({ ...load, requests: REQUESTS })
  if (bad > 0) throw new Error(`${path}: ${bad} answers were no pages`)
  return { images, p50, p99 }
}

async function countImages(target: Target, path: string): Promise<number> {
  const response = await fetch(target.url + path, { headers: target.endpoint.headers })
  const body: unknown = await response.json()
  const images = typeof body === 'object' && body !== null && 'images' in body ? body.images : []
  return Array.isArray(images) ? images.length : 0
}

/** One line a page; from the second size on with the ratio to the first. */
export function pagesTable(figures: readonly PageFigure[]): string {
  const sizes = [...new Set(figures.map((figure) => figure.size))]
  const [smallest = 0] = sizes
  const pages = [...new Set(figures.map((figure) => figure.page))]
  const find = (page: string, size: number) =>
    figures.find((figure) => figure.page === page && figure.size === size)
  return markdownTable(
    ['page of 20', ...sizes.map((size) => `${size.toLocaleString('en')} images: p50 / p99 ms`)],
    pages.map((page) => [
      page,
      ...sizes.map((size) => {
        const figure = find(page, size)
        if (figure === undefined) return '–'
        const text = `${show(figure.p50, 2)} / ${show(figure.p99, 2)}`
        const base = find(page, smallest)?.p50 ?? Number.NaN
        return size === smallest ? text : `${text} (${show(figure.p50 / base, 2)} ×)`
      })
    ])
  )
}
