/** Templates as they are being typed: the server's grammar, with a place for everything, so that a mistake can be marked and mended. */

export const ROOTS = ['input', 'steps', 'item', 'index', 'foreach', 'body', 'while'] as const
export type Root = (typeof ROOTS)[number]

export interface Segment {
  /** As it is meant, without quotes and escapes. */
  name: string
  /** With its dot or its brackets. */
  from: number
  to: number
}
export type Mistake =
  | 'start'
  | 'root'
  | 'name'
  | 'bracket'
  | 'forbidden'
  | 'unclosed'
  | 'only'
  | 'rule.steps'
  | 'rule.foreach'
  | 'rule.while'
  | 'rule.index'
export interface Found {
  /** From the opening braces to behind the closing ones, or to where reading stopped. */
  from: number
  to: number
  root: { name: string; from: number; to: number } | null
  segments: Segment[]
  mistake: { what: Mistake; from: number; to: number } | null
}

const SPACE = /\s*/y
const NAME = /[A-Za-z_]\w*/y
const KEY = /[\p{L}\p{N}_$-]+/uy
const INDEX = /\[\s*(-?\d{1,9})\s*\]/y
const QUOTED = /\[\s*(?:"((?:[^"\\]|\\[\s\S]){0,500})"|'((?:[^'\\]|\\[\s\S]){0,500})')\s*\]/y
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

const read = (pattern: RegExp, text: string, at: number): RegExpExecArray | null => {
  pattern.lastIndex = at
  return pattern.exec(text)
}

/** Every template in the text. An odd number of backslashes before the braces makes them plain text. */
export function scan(text: string): Found[] {
  const list: Found[] = []
  let at = 0
  for (let open = text.indexOf('{{'); open >= 0; open = text.indexOf('{{', at)) {
    let slashes = 0
    while (open - slashes > at && text[open - slashes - 1] === '\\') slashes++
    if (slashes % 2 === 1) {
      at = open + 2
      continue
    }
    const found = readOne(text, open)
    list.push(found)
    at = Math.max(found.to, open + 2)
  }
  return list
}

function readOne(text: string, open: number): Found {
  const found: Found = { from: open, to: open + 2, root: null, segments: [], mistake: null }
  const skip = (at: number): number => at + (read(SPACE, text, at)?.[0].length ?? 0)
  const wrong = (what: Mistake, from: number, to: number): Found => ({ ...found, to, mistake: { what, from, to: Math.max(to, from) } })
  let at = skip(open + 2)
  const name = read(NAME, text, at)?.[0]
  if (name === undefined)
    return wrong(text.startsWith('}}', at) || at < text.length ? 'start' : 'unclosed', open, Math.min(text.length, at + 2))
  found.root = { name, from: at, to: at + name.length }
  at += name.length
  if (!(ROOTS as readonly string[]).includes(name)) return wrong('root', found.root.from, at)
  while (text[at] === '.' || text[at] === '[') {
    const from = at
    const segment = text[at] === '.' ? read(KEY, text, at + 1)?.[0] : bracketed(text, at)
    if (segment === undefined) return wrong(text[at] === '.' ? 'name' : 'bracket', from, from + 1)
    at = typeof segment === 'string' ? at + 1 + segment.length : segment.to
    const meant = typeof segment === 'string' ? segment : segment.name
    if (FORBIDDEN.has(meant)) return wrong('forbidden', from, at)
    found.segments.push({ name: meant, from, to: at })
  }
  const end = skip(at)
  if (!text.startsWith('}}', end))
    return wrong(end >= text.length ? 'unclosed' : 'only', end >= text.length ? open : end, end >= text.length ? at : end + 1)
  found.to = end + 2
  const broken = brokenRule(name as Root, found.segments)
  return broken ? { ...found, mistake: { what: broken, from: found.root.from, to: at } } : found
}

function bracketed(text: string, at: number): { name: string; to: number } | undefined {
  const index = read(INDEX, text, at)
  if (index) return { name: index[1] as string, to: at + index[0].length }
  const quoted = read(QUOTED, text, at)
  if (!quoted) return undefined
  return { name: (quoted[1] ?? quoted[2] ?? '').replaceAll(/\\([\s\S])/g, '$1'), to: at + quoted[0].length }
}

function brokenRule(root: Root, [first, second, third]: Segment[]): Mistake | null {
  if (root === 'steps' || root === 'body') return first && (second?.name === 'result' || second?.name === 'input') ? null : 'rule.steps'
  if (root === 'foreach') return first?.name === 'item' || (first?.name === 'index' && !second) ? null : 'rule.foreach'
  if (root === 'while')
    return (first?.name === 'prev' && second) || (first?.name === 'iteration' && !second && !third) ? null : 'rule.while'
  return root === 'index' && first ? 'rule.index' : null
}

const PLAIN = /^[\p{L}\p{N}_$-]+$/u
/** A name behind a path: with a dot where that can be, else in single quotes, which JSON leaves alone. */
export const written = (name: string): string => (PLAIN.test(name) ? `.${name}` : `['${name.replaceAll(/['\\]/g, (sign) => `\\${sign}`)}']`)

/** What stands between the braces that the cursor is in: the names so far, and the beginning of the one that is being typed. */
export function typing(before: string): { from: number; names: string[]; part: string; partFrom: number } | null {
  const open = before.lastIndexOf('{{')
  if (open < 0 || before.indexOf('}}', open) >= 0) return null
  const slashes = /\\*$/.exec(before.slice(0, open))?.[0].length ?? 0
  if (slashes % 2 === 1) return null
  const names: string[] = []
  let at = open + 2 + (/^\s*/.exec(before.slice(open + 2))?.[0].length ?? 0)
  const begin = at
  for (;;) {
    const rest = before.slice(at)
    const step = names.length === 0 ? /^[A-Za-z_]\w*(?=[.[])/.exec(rest) : /^\.[\p{L}\p{N}_$-]+(?=[.[])/u.exec(rest)
    const index = names.length > 0 ? (read(INDEX, before, at) ?? read(QUOTED, before, at)) : null
    if (step) names.push(step[0].replace(/^\./, ''))
    else if (index) names.push(bracketed(before, at)?.name ?? '')
    else break
    at += (step ?? index)?.[0].length ?? 0
  }
  const part = before.slice(at)
  if (names.length === 0) return { from: begin, names, part, partFrom: at }
  return /^\.[\p{L}\p{N}_$-]*$/u.test(part) ? { from: begin, names, part: part.slice(1), partFrom: at + 1 } : null
}

/** The one that is a slip or two away, or that this is the beginning of, for "did you mean". */
export function nearest(word: string, names: Iterable<string>): string | null {
  const all = [...names].filter((name) => name !== word)
  let best: string | null = null
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const name of all) {
    const far = distance(word.toLowerCase(), name.toLowerCase())
    if (far < least) {
      best = name
      least = far
    }
  }
  return best ?? (word.length > 1 ? (all.find((name) => name.toLowerCase().startsWith(word.toLowerCase())) ?? null) : null)
}
/** Slips between two words; neighbours that changed places are one. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 8 || a.length > 64 || b.length > 64) return Number.POSITIVE_INFINITY
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const other = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      next[j] = Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, other, swapped ? (before[j - 2] ?? 0) + 1 : other)
    }
    before = row
    row = next
  }
  return row[b.length] ?? 0
}
