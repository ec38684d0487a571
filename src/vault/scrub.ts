/**
 * Takes the credential that went out of what comes back. It looks for the exact values, in the encodings an upstream
 * may echo them in; honest text is never touched, because nothing is guessed.
 */

/** Shorter values occur by chance in honest text. They are not searched for. */
const SHORTEST = 6
export const REDACTED = '[redacted]'

export interface Scrubber {
  bytes(input: Buffer): Buffer
  /** The same for a body that may be JSON, which can hide any character behind an escape until it is parsed. */
  body(input: Buffer): Buffer
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
    // fromEntries defines own properties, so that no key can reach a prototype.
    const out = Object.entries(input).map(([key, value]) => {
      const clean: [string, unknown] = [text(key), json(value)]
      changed ||= clean[0] !== key || clean[1] !== value
      return clean
    })
    return (changed ? Object.fromEntries(out) : input) as T
  }
  function body(input: Buffer): Buffer {
    const out = bytes(input)
    if (needles.length === 0 || !out.includes('\\')) return out
    let parsed: unknown
    try {
      parsed = JSON.parse(out.toString())
    } catch {
      return out
    }
    const clean = json(parsed)
    return clean === parsed ? out : Buffer.from(JSON.stringify(clean))
  }
  return { bytes, body, text, json }
}

function encodings(value: string): string[] {
  const raw = Buffer.from(value)
  const json = jsonForms(value)
  const hex = raw.toString('hex')
  const url = encodeURIComponent(value)
  const form = new URLSearchParams([['v', value]]).toString().slice(2)
  const html = value.replace(/[&<>"']/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[c] as string)
  const twice = json.map((it) => JSON.stringify(it).slice(1, -1))
  const escapes = [hex, hex.toUpperCase(), url, lowerEscapes(url), form, lowerEscapes(form), html]
  return [value, ...json, ...twice, ...escapes, ...base64Forms(raw)].filter((n) => n.length >= SHORTEST)
}

/** As JSON writers of several languages write it inside of quotes: plain, PHP (slashes), Python (ASCII only), Go (HTML-safe), .NET (both). */
function jsonForms(value: string): string[] {
  const plain = JSON.stringify(value).slice(1, -1)
  const unit = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  const python = plain.replaceAll(/[\u007f-\uffff]/g, unit)
  const dotnet = value.replaceAll(/[^\x20-\x7e]|["&'+<>`\\]/g, (c) => (c === '\\' ? '\\\\' : unit(c)))
  const upper = dotnet.replaceAll(/\\u[0-9a-f]{4}/g, (it) => `\\u${it.slice(2).toUpperCase()}`)
  return [plain, plain.replaceAll('/', '\\/'), python, python.replaceAll('/', '\\/'), plain.replaceAll(/[&<>]/g, unit), dotnet, upper]
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
