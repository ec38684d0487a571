/**
 * Finds any of many thousand byte strings (needles) in a text, in one pass and without keeping one of them: what was opened is not to lie in
 * memory for longer than the vault's minute. Of a needle there is
 *
 *   hashes of its first words │ of its head and tail (6 bytes each) and length │ SHA-256 behind a key
 *
 * A text is read as words of four bytes, as they lie in memory: each of them, or every other one where no needle is shorter than eleven bytes.
 * Wherever a needle stands, the first word inside of it that is read begins at one of its first four (or eight) bytes; those words of each needle
 * set bits in a filter. Honest text passes there, at gigabytes a second, whether there is one secret or a thousand. Where a bit is set, head and tail are looked up, and only where both fit at the right distance is the SHA-256
 * computed, which decides. All hashes are keyed by chance, anew in each process.
 */
import { hash as digest, randomBytes } from 'node:crypto'
import { Fault } from '../base/errors.ts'
import { SHORTEST } from './needles.ts'

export interface Mark<W> {
  readonly whose: W
  readonly mac: string
  readonly words: readonly number[]
  readonly ends: number
}
export interface Span {
  start: number
  end: number
}
export interface Found {
  /** In order, and apart from each other. */
  spans: Span[]
  /** From here on there may be the beginning of a needle that goes on behind the text. */
  pending: number
}

/** Bits of the filter for each word in it: at 64, one word of random text in sixty passes by chance. */
const BITS_A_WORD = 64
const FEWEST_BITS = 2 ** 16
/** Honest texts need some hundreds and a handful. Past these a text is made to be slow, and is refused: within about a second. */
const MAX_LOOKS = 5_000_000
const MAX_MACS = 200_000

/** `shortest`: no needle of fewer bytes will be added. */
export function createFinder<W>(shortest = SHORTEST) {
  const stride = shortest >= 11 ? 8 : 4
  const key = randomBytes(32)
  const salt = key.readInt32LE(0)
  // Odd, so that no bit of a word is lost.
  const odd = key.readInt32LE(4) | 1
  const marks = new Set<Mark<W>>()
  /** By the hash of a head, the lengths of the needles that begin so; by that of both ends and the length, the needles. */
  let lengths = new Map<number, number[]>()
  let byEnds = new Map<number, Mark<W>[]>()
  let filter = new Uint32Array(FEWEST_BITS / 32)
  let shift = 32 - Math.log2(FEWEST_BITS)
  let words = 0

  // Compared in this process only, so that nothing can be appended to what it was made of.
  const mac = (bytes: Buffer): string => digest('sha256', Buffer.concat([key, bytes]), 'base64url')
  const hash = (word: number): number => Math.imul(word ^ salt, odd)
  function six(bytes: Buffer, at: number): number {
    const mixed = hash(bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    return hash(mixed ^ (mixed >>> 15) ^ (bytes[at + 4]! | (bytes[at + 5]! << 8)))
  }
  const endsOf = (head: number, length: number, tail: number): number => hash(head ^ Math.imul(tail, 31) ^ Math.imul(length, 0x01000193))

  function enter(mark: Mark<W>): void {
    marks.add(mark)
    const alike = byEnds.get(mark.ends)
    if (alike) alike.push(mark)
    else byEnds.set(mark.ends, [mark])
    for (const word of mark.words) filter[(word >>> shift) >>> 5]! |= 1 << (word >>> shift)
    words += mark.words.length
  }
  function enterLength(head: number, length: number): void {
    const known = lengths.get(head)
    if (known === undefined) lengths.set(head, [length])
    else if (!known.includes(length)) known.push(length)
  }

  return {
    /** Hands out what `drop` takes. */
    add(needle: Buffer, whose: W): Mark<W> {
      const head = six(needle, 0)
      const ends = endsOf(head, needle.length, six(needle, needle.length - SHORTEST))
      const mark = { whose, mac: mac(needle), words: wordsOf(needle, stride).map(hash), ends }
      enterLength(head, needle.length)
      enter(mark)
      if (words * BITS_A_WORD > filter.length * 32) widen()
      return mark
    },
    /** Its bits stay in the filter, where they cost a look now and then, until that is made anew. */
    drop(gone: readonly Mark<W>[]): void {
      for (const mark of gone) {
        marks.delete(mark)
        const alike = byEnds.get(mark.ends)?.filter((it) => it !== mark) ?? []
        if (alike.length > 0) byEnds.set(mark.ends, alike)
        else byEnds.delete(mark.ends)
      }
      if (marks.size > 0) return
      lengths = new Map()
      byEnds = new Map()
      filter.fill(0)
      words = 0
    },
    find,
    get size() {
      return marks.size
    },
  }

  function widen(): void {
    let count = 0
    for (const mark of marks) count += mark.words.length
    const bits = 2 ** Math.ceil(Math.log2(count * BITS_A_WORD * 2))
    filter = new Uint32Array(bits / 32)
    shift = 32 - Math.log2(bits)
    words = 0
    byEnds = new Map()
    for (const mark of marks) enter(mark)
  }

  /** Faults: REFUSED, for a text that would cost too much to search. */
  function find(text: Buffer, mayBe: (whose: W) => boolean): Found {
    const end = text.length
    const spans: Span[] = []
    if (marks.size === 0) return { spans, pending: end }
    let pending = Math.max(0, end - SHORTEST + 1)
    let looks = 0
    let macs = 0

    function look(start: number): void {
      if (start < 0 || start + SHORTEST > end) return
      const head = six(text, start)
      for (const length of lengths.get(head) ?? []) {
        if (start + length > end) {
          if (start < pending) pending = start
          continue
        }
        if (++looks > MAX_LOOKS) tooMuch()
        const alike = byEnds.get(endsOf(head, length, six(text, start + length - SHORTEST)))?.filter((mark) => mayBe(mark.whose)) ?? []
        if (alike.length === 0) continue
        if (++macs > MAX_MACS) tooMuch()
        const is = mac(text.subarray(start, start + length))
        if (!alike.some((mark) => mark.mac === is)) continue
        const last = spans.at(-1)
        if (last && start < last.end) last.end = Math.max(last.end, start + length)
        else spans.push({ start, end: start + length })
      }
    }

    const first = (4 - (text.byteOffset % 4)) % 4
    const aligned = new Int32Array(text.buffer, text.byteOffset + first, Math.max(0, (end - first) >> 2))
    const count = aligned.length
    const step = stride / 4
    for (
      let i = nextIn(filter, aligned, 0, step, salt, odd, shift);
      i < count;
      i = nextIn(filter, aligned, i + step, step, salt, odd, shift)
    ) {
      const at = first + i * 4
      for (let start = at - stride + 1; start <= at; start++) look(start)
    }
    // What begins behind the last word that was read.
    const last = count === 0 ? -1 : first + (count - 1 - ((count - 1) % step)) * 4
    for (let start = last + 1; start + SHORTEST <= end; start++) look(start)
    return { spans, pending }
  }
}
export type Finder<W> = ReturnType<typeof createFinder<W>>

/** The next word whose bit is set. By itself, with all that it needs in its hands: this is where the time goes. */
function nextIn(filter: Uint32Array, words: Int32Array, from: number, step: number, salt: number, odd: number, shift: number): number {
  let i = from
  for (; i < words.length; i += step) {
    const bit = Math.imul(words[i]! ^ salt, odd) >>> shift
    if ((filter[bit >>> 5]! & (1 << bit)) !== 0) break
  }
  return i
}

/** The words that a needle's head may be met by. One of six bytes fills its fourth word but for the last byte, which may be any. */
function wordsOf(needle: Buffer, stride: number): number[] {
  const found: number[] = []
  const bytes = new Uint8Array(4)
  const word = new Int32Array(bytes.buffer)
  for (let at = 0; at < stride; at++) {
    bytes.set(needle.subarray(at, at + 4))
    for (let last = 0; last < (at + 4 > needle.length ? 256 : 1); last++) {
      if (at + 4 > needle.length) bytes[3] = last
      found.push(word[0]!)
    }
  }
  return found
}

const tooMuch = (): never => {
  // Whoever has answered may have done what was asked.
  throw new Fault('REFUSED', 'a text that is made so that it cannot be searched for credentials is not given on', { maybeDone: true })
}
