import { bytesOf } from '../../src/fields.ts'

/** Called before checksums are made, to spoil what a sample holds. */
export type Change = (layout: Layout) => void

export const unchanged: Change = () => {}

/** Bytes that are filled in field by field, and remember where the fields begin and end. */
export class Layout {
  readonly bytes: Uint8Array
  readonly #view: DataView
  readonly #isLittle: boolean
  readonly #edges = new Set<number>()

  constructor(size: number, isLittle: boolean) {
    this.bytes = new Uint8Array(size)
    this.#view = new DataView(this.bytes.buffer)
    this.#isLittle = isLittle
  }

  /** Where fields begin and end, upwards. */
  get edges(): readonly number[] {
    return [...this.#edges].sort((a, b) => a - b)
  }

  put(at: number, bytes: Uint8Array | readonly number[]): this {
    this.bytes.set(bytes, at)
    return this.#field(at, bytes.length)
  }

  text(at: number, text: string): this {
    return this.put(at, bytesOf(text))
  }

  hex(at: number, digits: string): this {
    return this.put(at, Buffer.from(digits, 'hex'))
  }

  u8(at: number, value: number): this {
    this.#view.setUint8(at, value)
    return this.#field(at, 1)
  }

  u16(at: number, value: number): this {
    this.#view.setUint16(at, value, this.#isLittle)
    return this.#field(at, 2)
  }

  u32(at: number, value: number): this {
    this.#view.setUint32(at, value, this.#isLittle)
    return this.#field(at, 4)
  }

  u64(at: number, value: number | bigint): this {
    this.#view.setBigUint64(at, BigInt(value), this.#isLittle)
    return this.#field(at, 8)
  }

  #field(at: number, length: number): this {
    this.#edges.add(at).add(at + length)
    return this
  }
}
