import type { RegistryClient } from '@tank/client'
import type { CommandCall } from '../command-line.ts'
import { readConfig, type ServeConfig } from '../config.ts'
import { configFile, dataDirectory } from '../places.ts'
import type { Part } from '../shutdown.ts'
import { reachRegistry } from './reach-registry.ts'

export interface WithRegistry {
  readonly call: CommandCall
  readonly config: ServeConfig
  readonly registry: RegistryClient
}

/**
 * Does something with the registry that the flags of a command name, and lets go of it. `mayCreate`:
 * makes one where none ever was.
 */
export async function withRegistry<T>(
  call: CommandCall,
  work: (context: WithRegistry) => Promise<T>,
  { mayCreate = false }: { readonly mayCreate?: boolean } = {}
): Promise<T> {
  const config = readConfig('serve', { file: configFile(call), env: call.env })
  const parts: Part[] = []
  try {
    const registry = await reachRegistry({
      config,
      dataDir: dataDirectory(call),
      env: call.env,
      add: (part) => parts.push(part),
      mayCreate
    })
    return await work({ call, config, registry })
  } finally {
    for (const part of parts.reverse()) await part.stop()
  }
}
