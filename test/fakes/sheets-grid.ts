/** The grids behind the Google Sheets stub: cells, ranges in A1 notation, and how values come out. */

/** What was entered. A date is a serial number that is shown in another way. */
export type Cell = string | number | boolean | { serial: number; shown: string } | undefined

export interface Tab {
  sheetId: number
  title: string
  rows: Cell[][]
  rowCount: number
  columnCount: number
  /** A tab that holds one chart has no grid. */
  object?: true
  formats: Record<string, object>
}

export interface Area {
  tab: Tab
  top: number
  left: number
  /** Not included. */
  bottom: number
  right: number
}

export const column = (n: number): string => (n < 26 ? '' : column(Math.floor(n / 26) - 1)) + String.fromCharCode(65 + (n % 26))
const index = (letters: string) => [...letters].reduce((sum, it) => sum * 26 + it.charCodeAt(0) - 64, 0) - 1

/** Google writes a title in quotes only where it must. */
const shownTitle = (title: string) => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(title) ? title : `'${title.replaceAll("'", "''")}'`)
export const shownArea = ({ tab, top, left, bottom, right }: Area): string => {
  const first = `${column(left)}${top + 1}`
  const last = `${column(right - 1)}${bottom}`
  return `${shownTitle(tab.title)}!${first === last ? first : `${first}:${last}`}`
}

/** An area, or the sentence of a 400. A title that holds an apostrophe must be quoted, with the apostrophe doubled. */
export function areaOf(range: string, tabs: readonly Tab[]): Area | string {
  const [, quoted, plain, cells] = /^(?:'((?:[^']|'')+)'|([^'!]+))(?:!(.+))?$/.exec(range) ?? []
  const title = quoted?.replaceAll("''", "'") ?? plain
  const tab = tabs.find((it) => it.title === title)
  if (tab === undefined) return `Unable to parse range: ${range}`
  const whole = { tab, top: 0, left: 0, bottom: tab.rowCount, right: tab.columnCount }
  if (cells === undefined) return whole
  const [, a, b, colon, c, d] = /^([A-Z]*)(\d*)(:)?([A-Z]*)(\d*)$/.exec(cells) ?? []
  if (a === undefined || b === undefined || (a === '' && b === '')) return `Unable to parse range: ${range}`
  if (colon !== undefined && c === '' && d === '') return `Unable to parse range: ${range}`
  const top = b === '' ? 0 : Number(b) - 1
  const left = a === '' ? 0 : index(a)
  const area = {
    tab,
    top,
    left,
    bottom: colon === undefined ? top + 1 : d === '' ? tab.rowCount : Number(d),
    right: colon === undefined ? left + 1 : c === '' ? tab.columnCount : index(c as string) + 1,
  }
  if (top < 0 || area.bottom <= top || area.right <= left) return `Unable to parse range: ${range}`
  // What begins outside is refused; what only ends outside is cut.
  if (top >= tab.rowCount || left >= tab.columnCount)
    return `Range (${shownTitle(tab.title)}!${cells}) exceeds grid limits. Max rows: ${tab.rowCount}, max columns: ${tab.columnCount}`
  return { ...area, bottom: Math.min(area.bottom, tab.rowCount), right: Math.min(area.right, tab.columnCount) }
}

export interface Rendering {
  value: string
  date: string
}
const rendered = (cell: Cell, { value, date }: Rendering): unknown => {
  if (cell === undefined) return ''
  if (typeof cell === 'object') return value === 'FORMATTED_VALUE' || date === 'FORMATTED_STRING' ? cell.shown : cell.serial
  if (value !== 'FORMATTED_VALUE') return cell
  return typeof cell === 'boolean' ? String(cell).toUpperCase() : String(cell)
}

/** Rows of an area without what is blank at the end of a row and of the whole. */
export function valuesOf({ tab, top, left, bottom, right }: Area, as: Rendering): unknown[][] {
  const rows = tab.rows.slice(top, bottom).map((row) => trimmed(row.slice(left, right).map((cell) => rendered(cell, as))))
  return rows.slice(0, rows.findLastIndex((row) => row.length > 0) + 1)
}
const trimmed = (row: unknown[]) => row.slice(0, row.findLastIndex((it) => it !== '') + 1)

/** Writes from the upper left corner of an area on; null skips a cell. How many cells were written. */
export function put({ tab, top, left }: Area, values: readonly (readonly unknown[])[], entered: boolean): number {
  let cells = 0
  values.forEach((row, y) => {
    row.forEach((value, x) => {
      if (value === null) return
      while (tab.rows.length <= top + y) tab.rows.push([])
      const line = tab.rows[top + y] as Cell[]
      line[left + x] = entered ? parsed(value) : (value as Cell)
      if (line[left + x] === '') line[left + x] = undefined
      cells += 1
    })
  })
  return cells
}
/** As if it were typed: numbers and truth values become such, and a formula is worked out. */
const parsed = (value: unknown): Cell => {
  if (typeof value !== 'string') return value as Cell
  if (value.startsWith('=')) return `#evaluated ${value}`
  if (/^(true|false)$/i.test(value)) return value.toLowerCase() === 'true'
  return value !== '' && Number.isFinite(Number(value)) ? Number(value) : value
}

/** Whether a row of values lies within the grid. */
export const fits = ({ tab, top, left }: Area, values: readonly (readonly unknown[])[]): boolean =>
  top + values.length <= tab.rowCount && values.every((row) => left + row.length <= tab.columnCount)

const blank = (cell: Cell) => cell === undefined || cell === ''

/**
 * The table around the first cell of a range: neighbouring columns as long as the row has something, and rows until one is blank. A
 * blank first cell is no table; values then go where the range begins, which is how rows get above the header or shift to the side.
 */
export function tableAt({ tab, top, left }: Area): Area | null {
  const cell = (y: number, x: number) => tab.rows[y]?.[x]
  if (blank(cell(top, left))) return null
  let [first, last] = [left, left]
  while (first > 0 && !blank(cell(top, first - 1))) first -= 1
  while (!blank(cell(top, last + 1))) last += 1
  let bottom = top + 1
  while (tab.rows[bottom]?.slice(first, last + 1).some((it) => !blank(it))) bottom += 1
  return { tab, top, left: first, bottom, right: last + 1 }
}
