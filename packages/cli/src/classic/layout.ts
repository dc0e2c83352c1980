import type { LegacyBrief, LegacyImage } from '@tank/client'
import { printable } from '../output/printable.ts'

const COLUMNS: readonly (readonly [head: string, field: keyof LegacyBrief, width: number])[] = [
  ['ID', 'id', 36],
  ['Name', 'name', 30],
  ['Disk Format', 'disk_format', 20],
  ['Container Format', 'container_format', 20],
  ['Size', 'size', 14]
]

const shown = (value: unknown) =>
  value === null || value === undefined ? 'None' : printable(String(value))

/** The head of a table of images, and the line below it. */
export function tableHead(): string {
  const heads = COLUMNS.map(([head, , width]) => head.padEnd(width)).join(' ')
  return `${heads}\n${COLUMNS.map(([, , width]) => '-'.repeat(width)).join(' ')}\n`
}

/** One image in a line; what is too long is cut. */
export function tableRow(image: LegacyBrief): string {
  const cells = COLUMNS.map(([, field, width]) => {
    const cell = shown(image[field]).slice(0, width)
    return field === 'size' ? cell.padStart(width) : cell.padEnd(width)
  })
  return `${cells.join(' ')}\n`
}

const yesNo = (value: boolean | undefined) => (value === true ? 'Yes' : 'No')

/** All that is said of an image. `url` is that of the service. */
export function recordBlock(url: string, image: LegacyImage): string {
  const { owner, properties = {} } = image
  const lines = [
    `URI: ${url}/v1/images/${image.id}`,
    `Id: ${image.id}`,
    `Public: ${yesNo(image.is_public)}`,
    `Protected: ${yesNo(image.protected)}`,
    `Name: ${shown(image.name)}`,
    `Status: ${shown(image.status)}`,
    `Size: ${shown(image.size)}`,
    `Disk format: ${shown(image.disk_format)}`,
    `Container format: ${shown(image.container_format)}`,
    `Minimum Ram Required (MB): ${shown(image.min_ram)}`,
    `Minimum Disk Required (GB): ${shown(image.min_disk)}`,
    ...(owner ? [`Owner: ${shown(owner)}`] : []),
    ...Object.entries(properties).map(
      ([name, value]) => `Property '${printable(name)}': ${shown(value)}`
    )
  ]
  return lines.map((line) => `${line}\n`).join('')
}

const NAME_WIDTH = 30

/** Fields by their names, for those who want to see more. */
export function metadata(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => {
      const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : value
      return `${printable(name).padStart(NAME_WIDTH)} => ${shown(text)}\n`
    })
    .join('')
}
