import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Part } from './shutdown.ts'

export interface RegistryAddress {
  readonly url: string
  readonly secret: string
}

const fileOf = (dataDir: string) => join(dataDir, 'registry.json')

/** Tells administrative commands on this machine, of the same account, how to reach the registry. */
export async function announceRegistry(dataDir: string, address: RegistryAddress): Promise<Part> {
  const file = fileOf(dataDir)
  await writeFile(`${file}.new`, `${JSON.stringify(address)}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
  return { stop: () => rm(file, { force: true }) }
}

/** The registry that was announced for a data directory; undefined when none is, or we may not know. */
export async function announcedRegistry(dataDir: string): Promise<RegistryAddress | undefined> {
  try {
    return JSON.parse(await readFile(fileOf(dataDir), 'utf8')) as RegistryAddress
  } catch {
    return undefined
  }
}
