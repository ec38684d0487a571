/** What a text with the escapes of JSON in it stands for (RFC 8259 §7), and where each piece of that comes from. */
import type { Span } from './finder.ts'

export interface Unescaped {
  bytes: Buffer
  /** A span of `bytes` as one of the text with its escapes. */
  origin: (span: Span) => Span
}

const BACKSLASH = 0x5c
const SHORT: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/** Null where there is no escape. Nothing is parsed, so that it works on lines, on pieces and on what only looks like JSON. */
export function unescaped(text: Buffer): Unescaped | null {
  let at = text.indexOf(BACKSLASH)
  if (at < 0) return null
  // Never longer than what it stands for: the longest UTF-8 of one unit has three bytes, its escape six.
  const bytes = Buffer.allocUnsafe(text.length)
  /** Escapes: from where to where in the text, and in what it stands for. Between two of them both run at the same pace. */
  const escapes: { from: Span; to: Span }[] = []
  let from = 0
  let to = 0
  for (; at >= 0; at = text.indexOf(BACKSLASH, from)) {
    to += text.copy(bytes, to, from, at)
    const [means, length] = escapeAt(text, at)
    const start = to
    to += means === null ? text.copy(bytes, to, at, at + length) : bytes.write(means, to)
    from = at + length
    if (means !== null) escapes.push({ from: { start: at, end: from }, to: { start, end: to } })
  }
  to += text.copy(bytes, to, from)

  /** A point inside of what one escape stands for is at an edge of that escape. */
  function originOf(point: number, edge: 'start' | 'end'): number {
    let low = 0
    for (let high = escapes.length; low < high; ) {
      const middle = (low + high) >> 1
      if (escapes[middle]!.to.end <= point) low = middle + 1
      else high = middle
    }
    const at = escapes[low]
    if (at && at.to.start < point) return at.from[edge]
    const last = escapes[low - 1]
    return last ? last.from.end + point - last.to.end : point
  }
  return {
    bytes: bytes.subarray(0, to),
    origin: ({ start, end }) => ({ start: originOf(start, 'start'), end: originOf(end, 'end') }),
  }
}

/** What the escape stands for, or null where it is none, and how long it is. */
function escapeAt(text: Buffer, at: number): [means: string | null, length: number] {
  const short = SHORT[String.fromCharCode(text[at + 1] ?? 0)]
  if (short !== undefined) return [short, 2]
  const unit = unitAt(text, at)
  if (unit === null) return [null, 1]
  // Two halves of one character.
  const second = unit >= 0xd800 && unit < 0xdc00 ? unitAt(text, at + 6) : null
  return second !== null && second >= 0xdc00 && second < 0xe000 ? [String.fromCharCode(unit, second), 12] : [String.fromCharCode(unit), 6]
}

function unitAt(text: Buffer, at: number): number | null {
  const [, digits] = /^\\u([0-9a-fA-F]{4})$/.exec(text.toString('latin1', at, at + 6)) ?? []
  return digits === undefined ? null : Number.parseInt(digits, 16)
}
