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

/** Every kind of secret that there is, where it lives, and the walk that plants it: as the canary of this name, or of one that begins so. */
export const KINDS: Record<string, { lives: string; walk: 'canary' | 'oauth' | 'console'; as: string }> = {
  'API key of a named connector': { lives: 'the vault; a header of its vendor', walk: 'canary', as: 'github' },
  'API key in a header of any name': { lives: 'the vault; that header', walk: 'canary', as: 'header' },
  'API key in the query': { lives: 'the vault; that parameter', walk: 'canary', as: 'query' },
  'password for HTTP Basic': { lives: 'the vault; the Authorization header', walk: 'canary', as: 'basic' },
  'bearer token': { lives: 'the vault; the Authorization header', walk: 'canary', as: 'bearer' },
  'credential that was replaced': { lives: 'nowhere any more', walk: 'canary', as: 'replaced' },
  'credential that is rotated in': { lives: 'the vault; beside the old one', walk: 'canary', as: 'rotated in' },
  'credential that is rotated out': { lives: 'nowhere any more', walk: 'canary', as: 'rotated out' },
  'credential of a rotation that was called off': { lives: 'nowhere any more', walk: 'canary', as: 'called off' },
  'password in a connection string': { lives: 'the vault; a database session', walk: 'canary', as: 'postgres' },
  'the same, as it is written there': { lives: 'the vault', walk: 'canary', as: 'encoded password' },
  'connection string': { lives: 'the vault', walk: 'canary', as: 'connection string' },
  'signing secret that a sender made': { lives: 'the vault', walk: 'canary', as: 'webhook' },
  'signing secret that we made': { lives: 'the vault; one answer', walk: 'canary', as: 'signing secret 0' },
  'signing secret that was rotated': { lives: 'the vault; one answer', walk: 'canary', as: 'signing secret 1' },
  'signing secret of our events': { lives: 'a file of the operator', walk: 'canary', as: 'events' },
  'token of the owner': { lives: 'a file of the operator; as a hash', walk: 'canary', as: 'owner token' },
  'personal access token': { lives: 'one answer; as a hash', walk: 'canary', as: 'second token' },
  'root key': { lives: 'a file of the operator', walk: 'canary', as: 'root key' },
  'password of the database’s role': { lives: 'a file in the data directory', walk: 'canary', as: 'database password' },
  'password of its superuser': { lives: 'the same file', walk: 'canary', as: 'superuser password' },
  'client secret of an OAuth app': { lives: 'the vault; requests for tokens', walk: 'oauth', as: 'client secret' },
  state: { lives: 'the browser; as a hash', walk: 'oauth', as: 'state' },
  code: { lives: 'the browser; one request', walk: 'oauth', as: 'code' },
  'PKCE verifier': { lives: 'follows from the state; one request', walk: 'oauth', as: 'verifier' },
  'mark of the browser that signs in': { lives: 'a cookie; as a hash', walk: 'oauth', as: 'browser' },
  'access token': { lives: 'the vault; the Authorization header', walk: 'oauth', as: 'access_token' },
  'refresh token': { lives: 'the vault; requests for tokens', walk: 'oauth', as: 'refresh_token' },
  'ID token': { lives: 'nowhere: it is read once', walk: 'oauth', as: 'id_token' },
  'private key of a service account': { lives: 'the vault; signs', walk: 'oauth', as: 'private key' },
  password: { lives: 'as a hash', walk: 'console', as: 'password' },
  session: { lives: 'a cookie; as a hash', walk: 'console', as: 'session' },
  invitation: { lives: 'one answer; as a hash', walk: 'console', as: 'invitation' },
}
/** Kinds of a walk that none of its canaries stands for. */
export const missing = (walk: string, canaries: Canaries): string[] =>
  Object.entries(KINDS)
    .filter(([, kind]) => kind.walk === walk && !Object.keys(canaries).some((name) => name === kind.as || name.startsWith(`${kind.as} `)))
    .map(([kind]) => kind)

/**
 * Each form by its name: raw, hex in both cases, base64 and base64url at three alignments, percent-encoded in both cases, form-encoded, JSON
 * plain and escaped throughout, HTML, UTF-16.
 */
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
    const units = [...Array(secret.length).keys()].map((i) => secret.charCodeAt(i).toString(16).padStart(4, '0'))
    found.set('\\u', units.map((it) => `\\u${it}`).join('')).set('\\u, upper case', units.map((it) => `\\u${it.toUpperCase()}`).join(''))
    const html = secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
    found.set('HTML', html).set('HTML, quotes escaped', html.replaceAll('"', '&quot;').replaceAll("'", '&#39;'))
    found.set('HTML, quotes in hex', html.replaceAll('"', '&quot;').replaceAll("'", '&#x27;'))
    // Of either order: without the zero at its edge both are the same, and no search begins at each of the zeros that files are filled with.
    found.set('UTF-16', Buffer.from(secret, 'utf16le').subarray(0, -1))
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
