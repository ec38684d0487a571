/** No secret in a graph or in a run's input: neither one that is stored here, nor what looks like a known provider's key. */
import type { Scope } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { jsonPath } from './path.ts'
import { findKnownKey } from './suspects.ts'

/** Tells whether a text holds a stored secret of the workspace. Handed in: this room knows no vault. */
export type FindStored = (scope: Scope) => Promise<(text: string) => { owner: string; field: string } | null>

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
  const at = findText(value, (text) => stored(text) !== null)
  if (at === null) return
  fail('SECRET_IN_GRAPH', `${path(at)} holds a secret that is stored in this workspace`, {
    hint: 'Bind the connection to an instance; steps then use it without holding it.',
    details: { path: path(at), stored: true },
  })
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
