import { createRegistryClient, type RegistryClient } from '@tank/client'

/** A registry client whose network can be cut: nothing listens where it then asks. */
export function cutOff(client: RegistryClient, isCut: () => boolean): RegistryClient {
  const nowhere = createRegistryClient({ urls: ['http://127.0.0.1:1'], secret: 'none' })
  return new Proxy(client, {
    get(target, name) {
      const live: unknown = Reflect.get(target, name)
      const dead: unknown = Reflect.get(nowhere, name)
      if (typeof live !== 'function' || typeof dead !== 'function') return live
      return (...args: unknown[]) =>
        isCut() ? dead.apply(nowhere, args) : live.apply(target, args)
    }
  })
}
