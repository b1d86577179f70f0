import { Unprintable } from './unprintable.ts'

/**
 * Bytes that must not be printed. They leave only through {@link reveal} and {@link revealText}, so that a search for
 * `.reveal` lists every place where a secret leaves the process.
 */
export class SecretValue extends Unprintable {
  readonly #bytes: Uint8Array

  private constructor(bytes: Uint8Array) {
    super()
    this.#bytes = bytes
  }

  /** Wraps text (stored as UTF-8) or bytes (not copied). */
  static of(value: string | Uint8Array): SecretValue {
    return new SecretValue(typeof value === 'string' ? Buffer.from(value, 'utf8') : value)
  }

  /** Number of bytes. */
  get size(): number {
    return this.#bytes.length
  }

  reveal(): Uint8Array {
    return this.#bytes
  }

  /** The bytes decoded as UTF-8. */
  revealText(): string {
    return Buffer.from(this.#bytes).toString('utf8')
  }

  equals(other: SecretValue): boolean {
    return Buffer.compare(this.#bytes, other.#bytes) === 0
  }
}
