import type { Store } from '../store.ts'

/** Makes the backend behave badly until the returned function is called. */
export type Fault = () => Promise<() => Promise<void> | void>

/** The ways in which a backend can fail; a text says why one of them cannot be made here. */
export interface Faults {
  /** The backend is away, or refuses us: calls reject with UNAVAILABLE or DENIED. */
  readonly refuse?: Fault | string
  /** The backend takes calls and never answers. */
  readonly hang?: Fault | string
  /** The backend has no room: `put` rejects with FULL. */
  readonly full?: Fault | string
  /** The backend stops in the middle of sending an image. */
  readonly cut?: Fault | string
  /** The backend drops the connection while it takes an image: `put` rejects, or gets through. */
  readonly reset?: Fault | string
  /** The backend is slow, at about 1 MiB a second, but well: every call succeeds. */
  readonly slow?: Fault | string
}

export interface KilledWriter {
  /**
   * A module that exports `open(): Promise<Store>` and leads to the same backend as `open` of the
   * options. It is loaded in a process of its own, which is killed while it writes.
   */
  readonly module: URL
  /** What the module needs to find the backend. */
  readonly env?: Readonly<Record<string, string>>
}

export type TestFunction = (
  name: string,
  options: { readonly skip?: string },
  run: () => Promise<void>
) => unknown

export interface ConformanceOptions {
  /** The runner's own `test`: those of tap, node:test and vitest fit. */
  readonly test: TestFunction
  /** Opens a store, a new one each time, always on the same backend. */
  open(): Promise<Store>
  /** Puts an image behind a store that cannot be written to, and says its key. */
  seed?(bytes: Buffer): Promise<string>
  /** A key that the store accepts and where nothing is; needed by read-only stores. */
  missing?(): string
  /** Names of everything that the backend holds, temporary things included. */
  leftovers?(): Promise<readonly string[]>
  readonly faults?: Faults
  /** MiB of buffers that a put may hold, 128 when not given; a text says why nothing bounds it. */
  readonly memoryMiB?: number | string
  /** A text says why no writer can be killed. */
  readonly killedWriter?: KilledWriter | string
}
