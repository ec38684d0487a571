/** No secret in a graph or in a run's input: neither one that is stored here, nor what looks like a known provider's key. */
import type { Scope } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { jsonPath } from './path.ts'
import { findKnownKey } from './suspects.ts'

/** Tells whether a text holds a stored secret of the workspace. Handed in: this room knows no vault. */
export type FindStored = (scope: Scope) => Promise<{ contains(text: string): object | null }>

/** Throws SECRET_IN_GRAPH with the JSON path, never the value. `where` begins the path: `graph`, `input`. */
export async function refuseSecrets(findStored: FindStored, scope: Scope, value: unknown, where: string): Promise<void> {
  const suspect = findKnownKey(value)
  const path = (inner: string) => [where, inner].filter(Boolean).join(inner.startsWith('[') ? '' : '.')
  if (suspect)
    fail('SECRET_IN_GRAPH', `${path(suspect.path)} holds what looks like ${suspect.looks_like}`, {
      hint: 'Store it as a connection and bind it to an instance; steps then use it without holding it.',
      details: { path: path(suspect.path), looks_like: suspect.looks_like },
    })
  const stored = await findStored(scope)
  const at = findText(value, (text) => stored.contains(text) !== null)
  if (at === null) return
  fail('SECRET_IN_GRAPH', `${path(at)} holds a secret that is stored in this workspace`, {
    hint: 'Bind the connection to an instance; steps then use it without holding it.',
    details: { path: path(at), stored: true },
  })
}

/** Where an input that came by itself holds a secret, and what was done about it. Never the value. */
export type Flag = { path: string; looks_like: string | null; removed: boolean }
/** So many are named; whoever has more looks at the sender anyway. */
const MOST_FLAGS = 20
const REMOVED = '«secret»'

/**
 * For inputs that nobody could be told to change: what looks like a key of a known provider is flagged, and what is a secret stored here is
 * flagged and taken out, so that it is stored nowhere else.
 */
async function flagSecrets(findStored: FindStored, scope: Scope, value: unknown): Promise<{ value: unknown; flags: Flag[] }> {
  const flags: Flag[] = []
  const stored = await findStored(scope)
  const flag = (at: readonly PropertyKey[], looks_like: string | null, removed: boolean) =>
    flags.length < MOST_FLAGS && flags.push({ path: jsonPath(['input', ...at]), looks_like, removed })
  function looked(here: unknown, at: readonly PropertyKey[]): unknown {
    if (typeof here === 'string' || typeof here === 'number') {
      const isStored = stored.contains(String(here)) !== null
      const known = typeof here === 'string' ? findKnownKey(here) : null
      if (isStored || known) flag(at, known?.looks_like ?? null, isStored)
      return isStored ? REMOVED : here
    }
    if (Array.isArray(here)) return here.map((it, i) => looked(it, [...at, i]))
    if (here === null || typeof here !== 'object') return here
    const out: Record<string, unknown> = Object.create(null)
    for (const [key, it] of Object.entries(here)) {
      const isStored = stored.contains(key) !== null
      if (isStored) flag([...at, '«key»'], null, true)
      out[isStored ? REMOVED : key] = looked(it, [...at, isStored ? '«key»' : key])
    }
    return { ...out }
  }
  const clean = looked(value, [])
  return { value: flags.some((f) => f.removed) ? clean : value, flags }
}

/** The input of a run as it is kept: refused where somebody can mend it, flagged where nobody can. */
export async function lookThrough(
  findStored: FindStored,
  scope: Scope,
  input: unknown,
  flags?: true,
): Promise<{ value: unknown; flags: Flag[] }> {
  if (flags) return flagSecrets(findStored, scope, input)
  await refuseSecrets(findStored, scope, input, 'input')
  return { value: input, flags: [] }
}

/** The path of the first string or key that is found, or null. */
function findText(value: unknown, found: (text: string) => boolean, at: readonly PropertyKey[] = []): string | null {
  if (typeof value === 'string') return found(value) ? jsonPath(at) : null
  if (typeof value === 'number') return found(String(value)) ? jsonPath(at) : null
  if (value === null || typeof value !== 'object') return null
  for (const [key, inner] of Object.entries(value)) {
    if (!Array.isArray(value) && found(key)) return jsonPath([...at, '«key»'])
    const hit = findText(inner, found, [...at, Array.isArray(value) ? Number(key) : key])
    if (hit !== null) return hit
  }
  return null
}
