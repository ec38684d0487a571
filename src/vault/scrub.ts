/**
 * Takes credentials out of what comes back and of what goes out. It looks for the exact values, in the forms that others may give them back in;
 * honest text is never touched, because nothing is guessed.
 */
import { fail } from '../base/errors.ts'
import { createFinder, type Found, type Span } from './finder.ts'
import { formsOf, SHORTEST } from './needles.ts'
import { unescaped } from './unescape.ts'

export const REDACTED = '[redacted]'
/** Several times the largest answer that egress takes. A text beyond it is refused, never passed on unsearched. */
export const MAX_SEARCHED_BYTES = 64 * 1024 * 1024
/** Numbers below it have fewer digits than any value that is searched for. */
const SHORTEST_NUMBER = 10 ** (SHORTEST - 1)

/** Where texts are written to be searched: most hold nothing, and memory for each of them would cost more than the search. */
const desk = Buffer.alloc(1024 * 1024)

/** All of them fault REFUSED where a text is too large, or made to be slow: nothing leaves that was not searched. */
export interface Scrubber {
  bytes(input: Buffer): Buffer
  /** The same for a body that may be JSON, which can hide any character behind an escape until it is parsed. */
  body(input: Buffer): Buffer
  text(input: string): string
  /** Every string and key of a JSON value; the same object when nothing was found. */
  json<T>(input: T): T
  /** For what comes in pieces. It holds back what may be the beginning of a value: less than the longest of their forms. */
  stream(): ScrubbedStream
}
export interface ScrubbedStream {
  push(piece: Buffer): Buffer
  /** What was held back. */
  flush(): Buffer
}

/** For these values alone. */
export function createScrubber(values: readonly string[]): Scrubber {
  const finder = createFinder<null>()
  for (const value of new Set(values)) for (const [, needle] of formsOf(value)) finder.add(needle, null)
  return scrubberOf((text) => finder.find(text, () => true))
}

/** `idle` says that there is nothing to look for, where getting at the texts costs something. */
export function scrubberOf(search: (text: Buffer) => Found, idle: () => boolean = () => false): Scrubber {
  const find = (text: Buffer): Found =>
    text.length > MAX_SEARCHED_BYTES
      ? fail('REFUSED', 'an answer is too large to be searched for credentials', { maybeDone: true })
      : search(text)

  function bytes(input: Buffer): Buffer {
    const { spans } = find(input)
    return spans.length === 0 ? input : without(input, spans)
  }
  function body(input: Buffer): Buffer {
    const out = bytes(input)
    const plain = unescaped(out)
    if (plain === null) return out
    const { spans } = find(plain.bytes)
    return spans.length === 0 ? out : without(out, spans.map(plain.origin))
  }
  function text(input: string): string {
    if (input.length < SHORTEST / 2 || idle()) return input
    const { spans } = find(bytesOf(input))
    return spans.length === 0 ? input : without(Buffer.from(input), spans).toString()
  }
  function json<T>(input: T): T {
    // All at once, because most hold nothing; what seems to lie across two of them is looked at again, one by one.
    if (idle()) return input
    const texts = textsIn(input)
    return texts !== null && find(bytesOf(texts)).spans.length === 0 ? input : (cleaned(input) as T)
  }
  function cleaned(input: unknown): unknown {
    if (typeof input === 'string') return text(input)
    if (typeof input === 'number') return text(String(input)) === String(input) ? input : REDACTED
    if (input === null || typeof input !== 'object' || input instanceof Date) return input
    if (input instanceof Uint8Array) return bytes(Buffer.from(input.buffer, input.byteOffset, input.byteLength))
    if (Array.isArray(input)) {
      const out = input.map(cleaned)
      return out.some((it, i) => it !== input[i]) ? out : input
    }
    let changed = false
    // fromEntries defines own properties, so that no key can reach a prototype.
    const out = Object.entries(input).map(([key, value]) => {
      const clean: [string, unknown] = [text(key), cleaned(value)]
      changed ||= clean[0] !== key || clean[1] !== value
      return clean
    })
    return changed ? Object.fromEntries(out) : input
  }

  function stream(): ScrubbedStream {
    let held = Buffer.alloc(0) as Buffer
    /** So much at the head of `held` belongs to a value whose mark has been given out. */
    let said = 0
    const next = (input: Buffer, found: Found, upTo: number): Buffer => {
      if (upTo === 0) {
        held = input
        return input.subarray(0, 0)
      }
      const spans = said === 0 ? found.spans : joined([{ start: 0, end: said }, ...found.spans])
      const parts: Buffer[] = []
      let at = 0
      for (const { start, end } of spans) {
        if (start >= upTo) break
        parts.push(input.subarray(at, start))
        if (start > 0 || said === 0) parts.push(MARK)
        at = end
      }
      said = Math.max(0, at - upTo)
      if (at < upTo) parts.push(input.subarray(at, upTo))
      held = Buffer.from(input.subarray(upTo))
      return Buffer.concat(parts)
    }
    return {
      push(piece) {
        const input = Buffer.concat([held, piece])
        const found = find(input)
        return next(input, found, found.pending)
      },
      flush: () => next(held, find(held), held.length),
    }
  }
  return { bytes, body, text, json, stream }
}

const MARK = Buffer.from(REDACTED)

function without(input: Buffer, spans: readonly Span[]): Buffer {
  const parts: Buffer[] = []
  let at = 0
  for (const { start, end } of spans) {
    parts.push(input.subarray(at, start), MARK)
    at = end
  }
  parts.push(input.subarray(at))
  return Buffer.concat(parts)
}

/** In order, with those made one that overlap. */
export function joined(spans: readonly Span[]): Span[] {
  const out: Span[] = []
  for (const span of spans.toSorted((a, b) => a.start - b.start)) {
    const last = out.at(-1)
    if (last && span.start < last.end) last.end = Math.max(last.end, span.end)
    else out.push({ ...span })
  }
  return out
}

/** Good until the next one. */
const bytesOf = (text: string): Buffer => (text.length * 3 > desk.length ? Buffer.from(text) : desk.subarray(0, desk.write(text)))

/** Every text in a value, behind one another; each key once. Null where there are bytes too, which cannot stand beside texts. */
function textsIn(input: unknown): string | null {
  const keys = new Set<string>()
  let all = ''
  function walk(it: unknown): boolean {
    if (typeof it === 'string') {
      all += it
      return true
    }
    if (typeof it === 'number') {
      if (Math.abs(it) >= SHORTEST_NUMBER) all += it
      return true
    }
    if (it === null || typeof it !== 'object') return true
    if (Array.isArray(it)) {
      for (let i = 0; i < it.length; i++) if (!walk(it[i])) return false
      return true
    }
    if (it instanceof Uint8Array) return false
    for (const key in it) {
      if (!keys.has(key)) {
        keys.add(key)
        all += key
      }
      if (!walk((it as Record<string, unknown>)[key])) return false
    }
    return true
  }
  return walk(input) ? all : null
}
