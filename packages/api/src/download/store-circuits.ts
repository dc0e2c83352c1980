/** Remembers which stores are away, so that not everybody has to find it out again. */
export interface StoreCircuits {
  /** Whether the store may be asked now. After the pause the first one who asks tries it out. */
  allows(store: string): boolean
  failed(store: string): void
  worked(store: string): void
}

/** One circuit a store: a failure opens it for `pauseMs`. `now` is a clock in milliseconds. */
export function createStoreCircuits(
  pauseMs: number,
  now: () => number = () => performance.now()
): StoreCircuits {
  const retryAt = new Map<string, number>()
  return {
    allows(store) {
      const at = retryAt.get(store)
      if (at === undefined) return true
      if (now() < at) return false
      // while this one tries, the others go elsewhere
      retryAt.set(store, now() + pauseMs)
      return true
    },
    failed: (store) => {
      retryAt.set(store, now() + pauseMs)
    },
    worked: (store) => {
      retryAt.delete(store)
    }
  }
}
