/**
 * JSON from outside. JSON.parse takes the last of two equal keys, any depth, and `__proto__`; each of these has hidden an
 * attack behind a check that saw the other reading, so they are refused before anything looks at the value.
 */
import { fail } from './errors.ts'

/** Deeper than any graph or tool argument; a stack of this height is no risk. */
export const MAX_DEPTH = 64
/** More keys than the largest honest body, few enough to bound the work. */
export const MAX_KEYS = 10_000
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

/** `maxKeys`: more where it is others who decide how large an honest body is. */
export function parseJson(text: string, maxKeys = MAX_KEYS): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    fail('BAD_REQUEST', 'the body is not valid JSON')
  }
  scan(text, maxKeys)
  return value
}

/** Walks text that JSON.parse has accepted, so only its structure matters here. */
function scan(text: string, maxKeys: number): void {
  const objects: (Set<string> | null)[] = []
  let keys = 0
  let expectKey = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === 0x22) {
      const start = i
      for (i++; text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++
      const seen = objects.at(-1)
      if (!expectKey || !seen) continue
      const raw = text.slice(start, i + 1)
      const key = raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1)
      if (FORBIDDEN.has(key)) fail('BAD_REQUEST', `the key ${key} is not allowed in a body`)
      if (seen.has(key)) fail('BAD_REQUEST', `the key ${key.slice(0, 100)} appears twice in one object`)
      if (++keys > maxKeys) fail('BAD_REQUEST', `the body has more than ${maxKeys} keys`)
      seen.add(key)
      expectKey = false
    } else if (c === 0x7b || c === 0x5b) {
      objects.push(c === 0x7b ? new Set() : null)
      expectKey = c === 0x7b
      if (objects.length > MAX_DEPTH) fail('BAD_REQUEST', `the body is nested deeper than ${MAX_DEPTH} levels`)
    } else if (c === 0x7d || c === 0x5d) {
      objects.pop()
      expectKey = false
    } else if (c === 0x2c) expectKey = objects.at(-1) !== null
  }
}
