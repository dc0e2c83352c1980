import { type ClientRequestArgs, Agent as HttpAgent } from 'node:http'
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import type { Duplex } from 'node:stream'

/** What a read gets when somebody may keep its bytes. */
const SMALL = 64 * 1024
/** What it gets when blocks go round. */
const LARGE = 256 * 1024
/** So few bytes are worth a copy, since their block can then be used again at once. */
const COPIED = 16 * 1024

/** Takes bytes from a connection; false: none for now, until the socket is resumed. */
export type TakeBytes = (chunk: Buffer) => boolean

const ofSocket = new WeakMap<Duplex, ReadBlocks>()

/** The memory that a connection reads into; undefined where Node makes it, as for TLS. */
export function readBlocksOf(socket: Duplex | null): ReadBlocks | undefined {
  return socket === null ? undefined : ofSocket.get(socket)
}

/**
 * The memory that a connection reads into. Node takes fresh memory for each read, and its parser of
 * HTTP once more for each chunk of a body: clearing and collecting that costs several times what
 * moving the bytes does. So whoever wants the rest of a long answer can take over the connection,
 * and gets the bytes in blocks that go round.
 */
export class ReadBlocks {
  #take: TakeBytes | undefined
  #block: Buffer | undefined
  readonly #free: Buffer[] = []

  /** From now on the parser sees nothing any more: the connection is good for this answer only. */
  takeOver(take: TakeBytes): void {
    this.#take = take
  }

  /** Lets the memory of a chunk be read into again. */
  giveBack(chunk: Buffer): void {
    if (chunk.buffer.byteLength === LARGE) this.#free.push(Buffer.from(chunk.buffer))
  }

  /** Memory for the next read. */
  next(): Buffer {
    if (this.#take !== undefined) return this.#free.pop() ?? Buffer.allocUnsafeSlow(LARGE)
    this.#block ??= Buffer.allocUnsafeSlow(SMALL)
    return this.#block
  }

  /** Hands on what was read into a block. */
  deliver(socket: Socket, bytes: number, block: Buffer): boolean {
    if (this.#take !== undefined) return this.#take(block.subarray(0, bytes))
    if (bytes <= COPIED) socket.emit('data', Buffer.from(block.subarray(0, bytes)))
    else {
      // Whoever reads the answer may keep a part of it, so it is never used again.
      this.#block = undefined
      socket.emit('data', block.subarray(0, bytes))
    }
    return true
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
        // The parser of HTTP listens to 'data', which such a socket does not emit by itself.
        callback: (bytes, block) => blocks.deliver(socket, bytes, block as Buffer)
      }
    })
    ofSocket.set(socket, blocks)
    return socket
  }
}
