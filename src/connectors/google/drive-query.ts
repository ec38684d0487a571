/** Drive's search language (`q` of files.list): operators of ours, values of whoever asks. */
import { fail } from '../contract.ts'

export const FOLDER = 'application/vnd.google-apps.folder'

/**
 * A value in quotes. Backslash and apostrophe are the two characters that mean something inside ("Search for files and folders"), so
 * that no value can end its own quotes and go on as a condition.
 */
export function quoted(value: string): string {
  if (!value.isWellFormed()) fail('INVALID_INPUT', 'A search value is not well-formed Unicode.')
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

/** All conditions at once, without what lies in the bin: files.list lists that too unless it is told otherwise. */
export const found = (...conditions: readonly (string | undefined)[]): string =>
  [...conditions.filter((it) => it !== undefined), 'trashed = false'].join(' and ')

/** What lies directly in one of these folders. */
export const inside = (folders: readonly string[]): string => `(${folders.map((id) => `${quoted(id)} in parents`).join(' or ')})`
