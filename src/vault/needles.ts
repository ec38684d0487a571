/**
 * The forms in which an upstream may give a value back. Each is the exact text that a known kind of writer makes of it; nothing is guessed, so
 * what is found is the value.
 */

/** In bytes. Shorter values occur by chance in honest text. They are not searched for: what holds one is never given back (README.md). */
export const SHORTEST = 6

/** Each form by its name. Forms of one name differ in what their writers leave as it is. */
export function formsOf(value: string): [name: string, needle: Buffer][] {
  const raw = Buffer.from(value)
  if (raw.length < SHORTEST) return []
  const hex = raw.toString('hex')
  const json = jsonForms(value)
  const url = urlForms(value)
  const found: [string, string | Buffer][] = [
    ['raw', raw],
    // As headers carry it, a byte for a character.
    ...(/[^\0-\xff]/.test(value) ? [] : [['latin-1', Buffer.from(value, 'latin1')] as [string, Buffer]]),
    ['hex', hex],
    ['hex', hex.toUpperCase()],
    ...base64Forms(raw).map((it): [string, string] => ['base64', it]),
    ...url.flatMap((it): [string, string][] => [
      ['url', it],
      ['url', it.replaceAll(/%[0-9A-F]{2}/g, (it) => it.toLowerCase())],
    ]),
    ...json.map((it): [string, string] => ['json', it]),
    // A log line inside of a JSON body.
    ...json.map((it): [string, string] => ['json in json', JSON.stringify(it).slice(1, -1)]),
    ...htmlForms(value).map((it): [string, string] => ['html', it]),
    // What Windows and Java write into files and pipes. Upstreams give it back as it is, labelled or not.
    ['utf-16 le', Buffer.from(value, 'utf16le')],
    ['utf-16 be', Buffer.from(value, 'utf16le').swap16()],
  ]
  const forms = new Map<string, [string, Buffer]>()
  for (const [name, form] of found) {
    const needle = Buffer.from(form)
    const key = needle.toString('latin1')
    if (needle.length >= SHORTEST && !forms.has(key)) forms.set(key, [name, needle])
  }
  return [...forms.values()]
}

/** encodeURIComponent; the same with the five marks that RFC 3986 reserves; a whole URL's; a form's, with `+` for spaces. */
function urlForms(value: string): string[] {
  const component = encodeURIComponent(value)
  const strict = component.replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  const form = new URLSearchParams([['v', value]]).toString().slice(2)
  return [component, strict, encodeURI(value), form]
}

const unit = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
const upperUnits = (text: string) => text.replaceAll(/\\u[0-9a-f]{4}/g, (it) => `\\u${it.slice(2).toUpperCase()}`)

/**
 * As JSON writers of several languages write it inside of quotes: plain, PHP (slashes), Python (ASCII only), Go (HTML-safe), .NET (both), and
 * with every character escaped.
 */
function jsonForms(value: string): string[] {
  const plain = JSON.stringify(value).slice(1, -1)
  const python = plain.replaceAll(/[\u007f-\uffff]/g, unit)
  const dotnet = value.replaceAll(/[^\x20-\x7e]|["&'+<>`\\]/g, (c) => (c === '\\' ? '\\\\' : unit(c)))
  const every = [...Array(value.length).keys()].map((i) => unit(value[i] as string)).join('')
  return [
    plain,
    plain.replaceAll('/', '\\/'),
    python,
    python.replaceAll('/', '\\/'),
    plain.replaceAll(/[&<>]/g, unit),
    dotnet,
    upperUnits(dotnet),
    every,
    upperUnits(every),
  ]
}

/** What writers of HTML and XML escape, and how: the quotes are where they differ. */
const HTML: Record<string, string>[] = [
  {}, // text between tags
  { '"': '&quot;' },
  { '"': '&quot;', "'": '&#39;' }, // lodash, Ruby
  { '"': '&quot;', "'": '&#039;' }, // PHP
  { '"': '&quot;', "'": '&#x27;' }, // Python, React
  { '"': '&quot;', "'": '&apos;' }, // XML
  { '"': '&#34;', "'": '&#39;' }, // Go, Jinja
  { '"': '&quot;', "'": '&#x27;', '`': '&#x60;', '=': '&#x3D;' }, // Handlebars
  { '"': '&quot;', "'": '&#39;', '/': '&#x2F;', '`': '&#x60;', '=': '&#x3D;' }, // Mustache
  { '"': '&quot;', "'": '&#x27;', '+': '&#x2B;' }, // .NET
]
function htmlForms(value: string): string[] {
  const always = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }
  return HTML.flatMap((quotes) => {
    const escapes: Record<string, string> = { ...always, ...quotes }
    const escaped = value.replaceAll(/[&<>"'`=/+]/g, (c) => escapes[c] ?? c)
    return [escaped, escaped.replaceAll(/[^\0-\x7f]/gu, (c) => `&#${c.codePointAt(0)};`)]
  })
}

/** The value may stand anywhere in a longer text that was encoded: one form for each of the three alignments, in both alphabets. */
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
