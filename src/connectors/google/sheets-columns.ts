/** Columns by name: a header row gives each column exactly one. */
import { fail } from '../contract.ts'
import { letters } from './sheets-range.ts'
import type { Cell, Entry } from './sheets-shapes.ts'

/** As many names as a sentence can hold when it tells which ones there are. */
const NAMES_TOLD = 30

/** A column without a name, or with that of one before it, goes by its letter. */
export function columnNames(header: readonly string[]): string[] {
  const taken = new Set<string>()
  return header.map((it, i) => {
    const name = [it.trim(), letters(i), `column ${letters(i)}`].find((name) => name !== '' && !taken.has(name)) ?? String(i)
    taken.add(name)
    return name
  })
}

/** A row's values by name; where a row is shorter than the header, "" as in a blank cell. */
export const byName = (names: readonly string[], row: readonly Cell[]): Record<string, Cell> =>
  Object.fromEntries(
    Array.from({ length: Math.max(names.length, row.length) }, (_, i): [string, Cell] => [names[i] ?? letters(i), row[i] ?? '']),
  )

export function columnOf(names: readonly string[], name: string): number {
  const at = names.indexOf(name)
  if (at >= 0) return at
  const known = names.slice(0, NAMES_TOLD).join(', ') + (names.length > NAMES_TOLD ? ', …' : '')
  return fail('INVALID_INPUT', 'The header row has no column of that name.', {
    hint: known === '' ? 'The header row is blank: name another one as header_row.' : `Its columns: ${known}.`,
    details: { column_name: name },
  })
}

/** A row from column A on; null where nothing was said, which leaves a cell as it is. */
export function inOrder(names: readonly string[], values: Readonly<Record<string, Entry>>): Entry[] {
  const placed = Object.entries(values).map(([name, value]): [number, Entry] => [columnOf(names, name), value])
  const row: Entry[] = Array.from({ length: Math.max(...placed.map(([at]) => at)) + 1 }, () => null)
  for (const [at, value] of placed) row[at] = value
  return row
}
