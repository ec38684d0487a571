/** Rows that are to be inserted, in the three ways in which they can be given. */
import { fail, z } from '../contract.ts'
import { rowsOfCsv } from './sheets-csv.ts'
import { type Entry, entries, entriesByHeader } from './sheets-shapes.ts'

/** Rows of one call: Google recommends requests of two megabytes at most ("Usage limits"), which is four hundred bytes a row. */
export const MOST_ROWS = 5_000

export type Given = Entry[] | Record<string, Entry>

const Listed = z
  .array(z.union([entriesByHeader, entries]))
  .min(1)
  .max(MOST_ROWS)

/** The rows of insert_multiple_rows, however they were given. */
export function rowsIn(type: 'column_names' | 'json' | 'csv', rows: Given[] | string): Given[] {
  const wrong = (says: string): never => fail('INVALID_INPUT', `With input_type ${type}, ${says}.`)
  if (type === 'csv') {
    const [header, ...lines] = (typeof rows === 'string' ? rowsOfCsv(rows) : null) ?? wrong('rows must be CSV text with closed quotes')
    if (header === undefined || lines.length === 0) return wrong('rows must have a line with the names of the columns and one below it')
    if (lines.length > MOST_ROWS) return wrong(`rows may have ${MOST_ROWS} lines`)
    const names = header.map((it) => it.trim())
    if (new Set(names).size < names.length) return wrong('no two columns of the first line may have one name')
    if (lines.some((line) => line.length > header.length)) return wrong('no line may have more cells than the first')
    return lines.map((line) => Object.fromEntries(line.map((cell, i) => [names[i] ?? '', cell])))
  }
  if (type === 'column_names') {
    return typeof rows !== 'string' && rows.every((row) => !Array.isArray(row))
      ? rows
      : wrong('rows must be a list of objects by name of column')
  }
  const listed = Listed.safeParse(typeof rows === 'string' ? parsed(rows) : rows)
  return listed.success ? listed.data : wrong(`rows must be a list of objects or of lists of values, at most ${MOST_ROWS}`)
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}
