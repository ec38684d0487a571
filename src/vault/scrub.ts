/**
 * Takes the credential that went out of what comes back. It looks for the exact values, in the encodings an upstream
 * may echo them in; honest text is never touched, because nothing is guessed.
 */

/** Shorter values occur by chance in honest text. They are not searched for. */
const SHORTEST = 6
export const REDACTED = '[redacted]'

export interface Scrubber {
  bytes(input: Buffer): Buffer
  text(input: string): string
  /** Every string and key of a JSON value; the same object when nothing was found. */
  json<T>(input: T): T
}

export function createScrubber(values: readonly string[]): Scrubber {
  const needles = [...new Set(values.filter((v) => v.length >= SHORTEST).flatMap(encodings))].sort((a, b) => b.length - a.length)
  const binary = needles.map((n) => Buffer.from(n))
  const mark = Buffer.from(REDACTED)

  function text(input: string): string {
    let out = input
    for (const needle of needles) if (out.includes(needle)) out = out.replaceAll(needle, REDACTED)
    return out
  }
  function bytes(input: Buffer): Buffer {
    let out = input
    for (const needle of binary) {
      let at = out.indexOf(needle)
      if (at < 0) continue
      const parts: Buffer[] = []
      let from = 0
      for (; at >= 0; at = out.indexOf(needle, from)) {
        parts.push(out.subarray(from, at), mark)
        from = at + needle.length
      }
      parts.push(out.subarray(from))
      out = Buffer.concat(parts)
    }
    return out
  }
  function json<T>(input: T): T {
    if (typeof input === 'string') return text(input) as T
    if (input === null || typeof input !== 'object' || needles.length === 0) return input
    if (Array.isArray(input)) {
      const out = input.map(json)
      return (out.some((v, i) => v !== input[i]) ? out : input) as T
    }
    if (Buffer.isBuffer(input) || input instanceof Date) return input
    let changed = false
    const out: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(input)) {
      const k = text(key)
      out[k] = json(value)
      changed ||= k !== key || out[k] !== value
    }
    return (changed ? out : input) as T
  }
  return { bytes, text, json }
}

function encodings(value: string): string[] {
  const raw = Buffer.from(value)
  const json = JSON.stringify(value).slice(1, -1)
  const hex = raw.toString('hex')
  const url = encodeURIComponent(value)
  const form = new URLSearchParams([['v', value]]).toString().slice(2)
  const html = value.replace(/[&<>"']/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[c] as string)
  return [value, json, JSON.stringify(json).slice(1, -1), hex, hex.toUpperCase(), url, lowerEscapes(url), form, lowerEscapes(form), html, ...base64Forms(raw)].filter((n) => n.length >= SHORTEST)
}
const lowerEscapes = (text: string): string => text.replaceAll(/%[0-9A-F]{2}/g, (e) => e.toLowerCase())

/** The value may stand anywhere in a longer text that was encoded: one form for each of the three alignments. */
function base64Forms(raw: Buffer): string[] {
  const forms: string[] = []
  for (let shift = 0; shift < 3; shift++) {
    const text = Buffer.concat([Buffer.alloc(shift), raw]).toString('base64')
    // Characters that also carry bits of what stands before or after are cut off.
    const lead = [0, 2, 3][shift] as number
    const bits = (shift + raw.length) * 8
    const inner = text.slice(lead, Math.floor(bits / 6))
    forms.push(inner, inner.replaceAll('+', '-').replaceAll('/', '_'))
  }
  return forms
}
