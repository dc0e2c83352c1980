import { type ClientRequestArgs, Agent as HttpAgent } from 'node:http'
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import type { Duplex } from 'node:stream'

/** What a read gets when its bytes may be kept by somebody. */
const SMALL = 64 * 1024
/** What it gets when blocks go round. */
const LARGE = 256 * 1024
/** Fewer bytes are worth a copy, so that their block can be used again at once. */
const COPIED = 16 * 1024
const MAX_FREE = 8

/** A reader who takes chunks the moment they come, and says when he is done with each. */
export interface ChunkReader {
  /** Whether chunks wait somewhere on their way to him. */
  readonly isBehind: () => boolean
}

const ofSocket = new WeakMap<Duplex, ReadBlocks>()

/** The blocks that a connection reads into; undefined when Node makes them, as it does for TLS. */
export function readBlocksOf(socket: Duplex | null): ReadBlocks | undefined {
  return socket === null ? undefined : ofSocket.get(socket)
}

/**
 * The memory that a connection reads into. Node takes fresh memory for every 64 KiB, and the system
 * spends more time on clearing it than on moving the bytes. For a reader who says when he is done,
 * blocks go round instead.
 */
export class ReadBlocks {
  #reader: ChunkReader | undefined
  #current: Buffer | undefined
  #free: Buffer[] = []
  /** Blocks that go round: nobody but the reader has seen them. */
  #round = new Set<ArrayBufferLike>()
  /** Chunks that the reader still has, of each block. */
  #held = new Map<ArrayBufferLike, number>()

  /** From now on all chunks go to this reader, until `stop`. */
  start(reader: ChunkReader): void {
    this.#reader = reader
    // The block of the last read may hold chunks that came before.
    this.#current = undefined
  }

  stop(): void {
    this.#reader = undefined
    this.#current = undefined
    this.#free = []
    this.#round.clear()
    this.#held.clear()
  }

  hold(chunk: Uint8Array): void {
    this.#held.set(chunk.buffer, (this.#held.get(chunk.buffer) ?? 0) + 1)
  }

  release(chunk: Uint8Array): void {
    const count = this.#held.get(chunk.buffer)
    if (count === undefined) return
    if (count > 1) this.#held.set(chunk.buffer, count - 1)
    else {
      this.#held.delete(chunk.buffer)
      this.#giveBack(chunk.buffer)
    }
  }

  /** Memory for the next read. */
  next(): Buffer {
    this.#current ??= this.#reader === undefined ? Buffer.allocUnsafeSlow(SMALL) : this.#take()
    return this.#current
  }

  /** Hands on what was read into a block, and decides what becomes of it. */
  deliver(socket: Socket, bytes: number, block: Buffer): void {
    const reader = this.#reader
    if (reader === undefined && bytes <= COPIED) {
      socket.emit('data', Buffer.from(block.subarray(0, bytes)))
      return
    }
    socket.emit('data', block.subarray(0, bytes))
    if (this.#current !== block) return
    if (reader === undefined || reader !== this.#reader || reader.isBehind()) {
      // Somebody may keep a part of it: it is never used again.
      this.#lose(block)
    } else if (this.#held.has(block.buffer)) this.#current = undefined
  }

  #take(): Buffer {
    const free = this.#free.pop()
    if (free !== undefined) return free
    const block = Buffer.allocUnsafeSlow(LARGE)
    this.#round.add(block.buffer)
    return block
  }

  #lose(block: Buffer): void {
    this.#current = undefined
    this.#round.delete(block.buffer)
  }

  #giveBack(buffer: ArrayBufferLike): void {
    // A block that is being delivered is used for the next read without a detour.
    if (buffer === this.#current?.buffer || !this.#round.has(buffer)) return
    if (this.#free.length < MAX_FREE) this.#free.push(Buffer.from(buffer))
    else this.#round.delete(buffer)
  }
}

/** Makes connections that read into blocks of ours. */
export class BlockAgent extends HttpAgent {
  override createConnection(options: ClientRequestArgs): Duplex {
    const blocks = new ReadBlocks()
    const socket: Socket = connect({
      ...(options as TcpNetConnectOpts),
      onread: {
        buffer: () => blocks.next(),
        callback: (bytes, block) => {
          // What the parser of HTTP listens to.
          blocks.deliver(socket, bytes, block as Buffer)
          return true
        }
      }
    })
    ofSocket.set(socket, blocks)
    return socket
  }
}
