import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { StorePlugin } from '@tank/api'

type Exports = string | null | { readonly [condition: string]: Exports } | readonly Exports[]

/** The module that the conditions of an `import` choose. */
function choose(exports: Exports): string | undefined {
  if (typeof exports === 'string') return exports
  if (exports === null) return undefined
  if (Array.isArray(exports)) return exports.map(choose).find((each) => each !== undefined)
  for (const [condition, target] of Object.entries(exports)) {
    if (!['node', 'import', 'default', 'module-sync'].includes(condition)) continue
    const found = choose(target)
    if (found !== undefined) return found
  }
  return undefined
}

/** Finds a package that can be imported only, which `require.resolve` does not see. */
function resolveForImport(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const root = join(folder, 'node_modules', name)
    if (existsSync(join(root, 'package.json'))) {
      const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
        exports?: Exports
      }
      const main =
        typeof exports === 'object' && exports !== null && '.' in exports
          ? choose((exports as Record<string, Exports>)['.'] ?? null)
          : choose(exports ?? null)
      return main === undefined ? undefined : join(root, main)
    }
    if (folder === dirname(folder)) return undefined
  }
}

function resolveFrom(use: string, folder: string): string | undefined {
  if (/^\.{0,2}\//.test(use)) return resolve(folder, use)
  try {
    return createRequire(join(folder, 'package.json')).resolve(use)
  } catch {
    return resolveForImport(use, folder)
  }
}

type Module = { readonly default?: unknown }

/** The stores that come with tank. */
const OWN: Readonly<Record<string, () => Promise<Module>>> = {
  '@tank/store-fs': () => import('@tank/store-fs'),
  '@tank/store-s3': () => import('@tank/store-s3'),
  '@tank/store-chase': () => import('@tank/store-chase'),
  '@tank/store-http': () => import('@tank/store-http')
}

export type StoresConfig = Readonly<Record<string, { use: string; [option: string]: unknown }>>

/** The stores of all-in-one: those of the configuration, else files in the data directory. */
export function configuredStores(
  api: { readonly stores: StoresConfig },
  dataDir: string
): StoresConfig {
  if (Object.keys(api.stores).length > 0) return api.stores
  return { main: { use: '@tank/store-fs', root: join(dataDir, 'images') } }
}

async function load(use: string, configFolder: string): Promise<Module> {
  const path = resolveFrom(use, configFolder)
  if (path === undefined && Object.hasOwn(OWN, use)) return (await OWN[use]?.()) ?? {}
  const found = path ?? resolveFrom(use, dirname(fileURLToPath(import.meta.url)))
  if (found === undefined || !existsSync(found)) {
    throw new Error(`the store package ${use} was found neither from ${configFolder} nor in tank`)
  }
  return await import(pathToFileURL(found).href)
}

/**
 * Makes the loader of store plugins. What `use` names is looked for from the folder of the
 * configuration file first, so that one's own packages work, then among Tank's own.
 */
export function storeLoader(configFolder: string): (use: string) => Promise<StorePlugin> {
  return async (use) => {
    const module = await load(use, configFolder)
    if (typeof module.default !== 'function') {
      throw new Error(`${use} is no store package: its default export is no Fastify plugin`)
    }
    return module.default as StorePlugin
  }
}
