/** Finds a secret in bytes, in whatever form an upstream or a dump may have given it. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'

/** A name for messages, and the value, which no message shows. */
export type Canaries = Readonly<Record<string, string | Buffer>>
/** Where something was written, and what. */
export type Place = readonly [name: string, bytes: Buffer]

/** Below this length a form could occur by chance; every canary here is longer in every form. */
const SHORTEST = 12

const lowerEscapes = (text: string) => text.replaceAll(/%[0-9A-F]{2}/g, (it) => it.toLowerCase())

/** Each form by its name: raw, hex in both cases, base64 and base64url at three alignments, percent-encoded in both cases, form-encoded, JSON. */
export function forms(secret: string | Buffer): Map<string, Buffer> {
  const raw = Buffer.from(secret)
  const found = new Map<string, string | Buffer>([
    ['raw', raw],
    ['hex', raw.toString('hex')],
    ['HEX', raw.toString('hex').toUpperCase()],
  ])
  for (let shift = 0; shift < 3; shift++) {
    const text = Buffer.concat([Buffer.alloc(shift), raw]).toString('base64')
    // Only characters whose six bits are all the secret's own.
    const core = text.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + raw.length) * 8) / 6))
    found.set(`base64+${shift}`, core)
    found.set(`base64url+${shift}`, core.replaceAll('+', '-').replaceAll('/', '_'))
  }
  if (typeof secret === 'string') {
    const percent = encodeURIComponent(secret)
    const form = new URLSearchParams({ v: secret }).toString().slice(2)
    const json = JSON.stringify(secret).slice(1, -1)
    found.set('percent', percent).set('percent, lower case', lowerEscapes(percent))
    found.set('form', form).set('form, lower case', lowerEscapes(form))
    found.set('JSON', json).set('JSON, slashes escaped', json.replaceAll('/', '\\/')).set('JSON in JSON', JSON.stringify(json).slice(1, -1))
  }
  const out = new Map<string, Buffer>()
  for (const [name, form] of found) {
    if (form.length < SHORTEST) throw new Error(`a canary is too short in the form ${name}`)
    const bytes = Buffer.from(form)
    if (![...out.values()].some((it) => it.equals(bytes))) out.set(name, bytes)
  }
  return out
}

/** `github key as base64+1 in table public.runs`, for every canary, form and place that meet. */
export function hits(canaries: Canaries, places: readonly Place[]): string[] {
  const out: string[] = []
  for (const [canary, secret] of Object.entries(canaries))
    for (const [form, needle] of forms(secret))
      for (const [place, bytes] of places) if (bytes.includes(needle)) out.push(`${canary} as ${form} in ${place}`)
  return out
}

/** Every file below a directory but those that are named. A file that goes away meanwhile has left nothing. */
export function filesBelow(dir: string, except: readonly string[]): Place[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true }).flatMap((entry): Place[] => {
    const path = join(entry.parentPath, entry.name)
    const name = relative(dir, path)
    if (!entry.isFile() || except.includes(name)) return []
    try {
      return [[`file ${name}`, readFileSync(path)]]
    } catch {
      return []
    }
  })
}

/** Command line and environment of a process and of all that it has started, as the kernel shows them to others. */
export function processPlaces(pid: number): Place[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc').filter((it) => /^\d+$/.test(it))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
    } catch {
      // gone meanwhile
    }
  }
  const family = [pid]
  for (const parent of family) for (const [child, of] of parents) if (of === parent) family.push(child)
  return family.flatMap((one) =>
    ['cmdline', 'environ'].flatMap((what): Place[] => {
      try {
        statSync(`/proc/${one}`)
        return [[`${what} of process ${one === pid ? 'runtime' : 'child'} ${one}`, readFileSync(`/proc/${one}/${what}`)]]
      } catch {
        return []
      }
    }),
  )
}
