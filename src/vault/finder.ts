/**
 * Finds any of many thousand byte strings (needles) in a text, in one pass and without keeping one of them: what was opened is not to lie in
 * memory for longer than the vault's minute. Of a needle there is
 *
 *   hashes of its first words │ of its head and tail (6 bytes each) and length │ SHA-256 behind a key
 *
 * A text is read as words of four bytes, as they lie in memory: each of them, or every other one where no needle is shorter than twelve bytes.
 * Wherever a needle stands, the first word inside of it that is read begins at one of its first four (or eight) bytes; those words of each needle
 * set bits in a filter, which is small, so that it lies near the processor. Honest text passes there, at gigabytes a second, whether there is one
 * secret or a thousand. Where a bit is set, a larger filter is asked for the word together with the byte behind it; where it is set there too, head
 * and tail are looked up, and only where both fit at the right distance is the SHA-256 computed, which decides. All hashes are keyed by chance,
 * anew in each process.
 */
import { hash as digest, randomBytes } from 'node:crypto'
import { Fault } from '../base/errors.ts'
import { SHORTEST } from './needles.ts'

export interface Mark<W> {
  readonly whose: W
  readonly mac: string
  readonly head: number
  readonly length: number
  /** Hashes: of its first words, and of each together with the byte behind it, where every needle has one there. */
  readonly words: readonly number[]
  readonly more: readonly number[]
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

/** At least so many bits for each that is set: of random text one word in some twenty passes the first filter, and one of those in a hundred the second. */
const SMALL = 16
const LARGE = 64
const FEWEST_WORDS = 2048
/** With it, all eight first words of a needle have a byte behind them that is its own. */
const WITH_MORE = 12
/** Honest texts need some hundreds and a handful. Past these a text is made to be slow, and is refused: within about a second. */
const MAX_LOOKS = 5_000_000
const MAX_MACS = 200_000

/** `shortest`: no needle of fewer bytes will be added. */
export function createFinder<W>(shortest = SHORTEST) {
  const stride = shortest >= WITH_MORE ? 8 : 4
  const key = randomBytes(32)
  const salt = key.readInt32LE(0)
  // Odd, so that no bit of a word is lost.
  const odd = key.readInt32LE(4) | 1
  const marks = new Set<Mark<W>>()
  /** By the hash of a head, the lengths of the needles that begin so; by that of both ends and the length, the needles. */
  let lengths = new Map<number, number[]>()
  let byEnds = new Map<number, Mark<W>[]>()
  let small = createFilter()
  let large = createFilter()

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
    enterLength(mark.head, mark.length)
    const alike = byEnds.get(mark.ends)
    if (alike) alike.push(mark)
    else byEnds.set(mark.ends, [mark])
    for (const hash of mark.words) enterBit(small, hash)
    for (const hash of mark.more) enterBit(large, hash)
    if (isFull(small, SMALL) || isFull(large, LARGE)) renew()
  }
  /** As wide as what is there now needs: what was dropped has left its bits and its lengths behind. */
  function renew(): void {
    small = fitting('words', SMALL, small.bits.length)
    large = fitting('more', LARGE, large.bits.length)
    lengths = new Map()
    for (const mark of marks) enterLength(mark.head, mark.length)
  }
  function fitting(by: 'words' | 'more', bitsEach: number, length: number): Filter {
    const filled = (words: number) => {
      const filter = createFilter(words)
      for (const mark of marks) for (const hash of mark[by]) enterBit(filter, hash)
      return filter
    }
    const live = filled(length)
    // With as much room again, so that this is not to be done for each one more.
    const fits = Math.max(FEWEST_WORDS, 2 ** Math.ceil(Math.log2((live.set * bitsEach * 2) / 32)))
    return fits === length ? live : filled(fits)
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
      const firsts = wordsOf(needle, stride)
      const words = firsts.map(([word]) => hash(word))
      const more = stride === 8 ? firsts.map(([word, next]) => hashMore(hash(word), next, odd)) : []
      const mark = { whose, mac: mac(needle), head, length: needle.length, words, more, ends }
      enter(mark)
      return mark
    },
    /** Its bits stay in the filters, where they cost a look now and then, until those are made anew. */
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
      small = createFilter()
      large = createFilter()
    },
    find,
    get size() {
      return marks.size
    },
    /** What is kept for searching: bits of the filters, and heads. */
    get kept() {
      return { bits: (small.bits.length + large.bits.length) * 32, heads: lengths.size }
    },
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
    for (let from = 0; from < count; from += met.length) {
      const some = meet(small, aligned, from, Math.min(from + met.length, count), step, salt, odd)
      for (let n = 0; n < some; n++) {
        const i = met[n]!
        const at = first + i * 4
        if (stride === 8 && at + 4 < end && !isIn(large, hashMore(hash(aligned[i]!), text[at + 4]!, odd))) continue
        for (let start = at - stride + 1; start <= at; start++) look(start)
      }
    }
    // What begins behind the last word that was read.
    const last = count === 0 ? -1 : first + (count - 1 - ((count - 1) % step)) * 4
    for (let start = last + 1; start + SHORTEST <= end; start++) look(start)
    return { spans, pending }
  }
}
export type Finder<W> = ReturnType<typeof createFinder<W>>

/** One bit for each of many hashes, by as many of their upper bits as there is room for. `set`: bits that are. */
interface Filter {
  bits: Int32Array
  shift: number
  set: number
}
function createFilter(words = FEWEST_WORDS): Filter {
  return { bits: new Int32Array(words), shift: 27 - Math.log2(words), set: 0 }
}
const isIn = ({ bits, shift }: Filter, hash: number): boolean => (bits[(hash >>> shift) >>> 5]! & (1 << (hash >>> shift))) !== 0
const isFull = ({ bits, set }: Filter, bitsEach: number): boolean => set * bitsEach > bits.length * 32
function enterBit(filter: Filter, hash: number): void {
  if (isIn(filter, hash)) return
  filter.bits[(hash >>> filter.shift) >>> 5]! |= 1 << (hash >>> filter.shift)
  filter.set++
}
const hashMore = (hash: number, next: number, odd: number): number => Math.imul(hash ^ (hash >>> 15) ^ next, odd)

/** Where words stand whose bits are set: good until the next search. */
const met = new Int32Array(8192)

/**
 * Fills `met`, and says how many there are. This is where the time goes. V8's quick compiler makes code of it that is five times slower than the
 * thorough one does, and keeps that where it puts the loop into its caller: which it cannot do with what is called so.
 */
const meet = (
  { bits, shift }: Filter,
  ...rest: [words: Int32Array, from: number, to: number, step: number, salt: number, odd: number]
): number => Reflect.apply(scan, undefined, [bits, shift, ...rest])
function scan(
  bits: Int32Array,
  shift: number,
  words: Int32Array,
  from: number,
  to: number,
  step: number,
  salt: number,
  odd: number,
): number {
  let count = 0
  for (let i = from; i < to; i += step) {
    const bit = Math.imul(words[i]! ^ salt, odd) >>> shift
    met[count] = i
    count += (bits[bit >>> 5]! >>> bit) & 1
  }
  return count
}

/**
 * The words that a needle's head may be met by, each with the byte behind it. A head of six bytes fills its fourth word but for the last byte,
 * which may be any; what lies behind that is not asked for.
 */
function wordsOf(needle: Buffer, stride: number): [word: number, next: number][] {
  const found: [number, number][] = []
  const bytes = new Uint8Array(4)
  const word = new Int32Array(bytes.buffer)
  for (let at = 0; at < stride; at++) {
    bytes.set(needle.subarray(at, at + 4))
    for (let last = 0; last < (at + 4 > needle.length ? 256 : 1); last++) {
      if (at + 4 > needle.length) bytes[3] = last
      found.push([word[0]!, needle[at + 4] ?? 0])
    }
  }
  return found
}

const tooMuch = (): never => {
  // Whoever has answered may have done what was asked.
  throw new Fault('REFUSED', 'a text that is made so that it cannot be searched for credentials is not given on', { maybeDone: true })
}
