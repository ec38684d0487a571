/**
 * Names inside of one database. Every path is relative, checked segment by segment, and put behind the connection's own project and
 * database, so that none can lead out of it. Rules: https://firebase.google.com/docs/firestore/quotas (collections, documents, fields).
 */
import { Fault } from '../../base/errors.ts'
import type { Target } from './firestore-key.ts'

/** Bytes of an id, and of a whole name. */
const MAX_ID = 1500
const MAX_NAME = 6144
/** Collections may lie 100 deep, so a document's path has at most twice as many segments. */
const MAX_SEGMENTS = 200

const bad = (message: string, hint?: string): Fault => new Fault('INVALID_INPUT', message, hint ? { hint } : {})

export const databaseName = ({ project, database }: Pick<Target, 'project' | 'database'>): string =>
  `projects/${project}/databases/${database}`
export const rootName = (target: Pick<Target, 'project' | 'database'>): string => `${databaseName(target)}/documents`

function segmentsOf(path: string, what: string): string[] {
  if (/^projects\/[^/]*\/databases\/[^/]*\/documents(\/|$)/.test(path))
    throw bad(`${what} must not be a full resource name`, 'Paths begin with a collection of the connected database: cities/SF.')
  const segments = path.split('/')
  if (segments.some((id) => id === '')) throw bad(`${what} has an empty segment`, 'Write cities/SF, with no slash at either end.')
  if (segments.some((id) => id === '.' || id === '..')) throw bad(`${what} has "." or ".." in it, which no id can be`)
  if (segments.some((id) => /^__.*__$/s.test(id))) throw bad(`${what} has an id of the form __…__, which is reserved`)
  if (segments.some((id) => !id.isWellFormed() || id.includes('\0'))) throw bad(`${what} is not proper text`)
  if (segments.some((id) => Buffer.byteLength(id) > MAX_ID)) throw bad(`${what} has an id of more than ${MAX_ID} bytes`)
  if (segments.length > MAX_SEGMENTS || Buffer.byteLength(path) > MAX_NAME) throw bad(`${what} is too long`)
  return segments
}

/** `cities/SF` → its full name. */
export function documentName(target: Target, path: string): string {
  if (segmentsOf(path, 'the document path').length % 2 !== 0)
    throw bad('that is the path of a collection, not of a document', 'A document is cities/SF, or cities/SF/districts/mission.')
  return `${rootName(target)}/${path}`
}

/** `cities/SF/districts` → the full name of what it lies in, and its id. */
export function collectionName(target: Target, path: string): { parent: string; id: string } {
  const segments = segmentsOf(path, 'the collection path')
  if (segments.length % 2 === 0)
    throw bad('that is the path of a document, not of a collection', 'A collection is cities, or cities/SF/districts.')
  const id = segments.pop() as string
  return { parent: [rootName(target), ...segments].join('/'), id }
}

/** The path of a full name, or null where it is not of this database. */
export function pathOf(target: Target, name: string): string | null {
  const root = `${rootName(target)}/`
  return name.startsWith(root) ? name.slice(root.length) : null
}

const SIMPLE = /^[a-zA-Z_][a-zA-Z_0-9]*$/
const FIELD_PATH = /^(?:[a-zA-Z_][a-zA-Z_0-9]*|`(?:[^`\\]|\\[`\\])+`)(?:\.(?:[a-zA-Z_][a-zA-Z_0-9]*|`(?:[^`\\]|\\[`\\])+`))*$/
/** The document's own name, where a query takes a field. */
export const NAME_FIELD = '__name__'

/** The names of a field path: address.`post code` → address, post code. */
export function fieldNames(path: string): string[] {
  if (!path.isWellFormed() || Buffer.byteLength(path) > MAX_ID || !FIELD_PATH.test(path))
    throw bad(
      'a field path is not well formed',
      'Names are separated by dots; one with other characters than letters, digits and _ stands in `backticks`.',
    )
  const names = [...path.matchAll(/`((?:[^`\\]|\\[`\\])+)`|([^.`]+)/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain as string) : quoted.replace(/\\([`\\])/g, '$1'),
  )
  for (const name of names) fieldName(name)
  return names
}

/** One name of a document's own. */
export function fieldName(name: string): string {
  if (name === '' || !name.isWellFormed() || Buffer.byteLength(name) > MAX_ID) throw bad('a field has a name that Firestore does not take')
  if (/^__.*__$/s.test(name) && name !== '__type__') throw bad('a field has a name of the form __…__, which is reserved')
  return name
}

export const fieldPath = (names: readonly string[]): string =>
  names.map((name) => (SIMPLE.test(name) ? name : `\`${name.replace(/[`\\]/g, '\\$&')}\``)).join('.')

/** A field that a query sorts or filters by. */
export const queryField = (path: string): string => (path === NAME_FIELD ? NAME_FIELD : fieldPath(fieldNames(path)))
