import { fail, type ToolContext, tool, z } from '../contract.ts'
import { gridOf, headerOf, valuesOf, wholeTab } from './sheets-call.ts'
import { byName, columnNames, columnOf } from './sheets-columns.ts'
import { csvOf } from './sheets-csv.ts'
import { rowsOf } from './sheets-range.ts'
import { type Cell, headerRow, type InTab, inTab, READS, Row, Rows, rowNumber, text, useHeaderNames } from './sheets-shapes.ts'

const USUAL_PAGE = 100
/** Rows of one answer; at a dozen cells each they still fit into a step's result of four million characters. */
const MOST_ROWS = 5_000
/** find_rows reads so many rows at a time, which keeps an answer of wide rows well below ten megabytes. */
const SCANNED_AT_ONCE = 2_000
/** The text of a whole tab must fit into a step's result of four million characters. */
const LARGEST_EXPORT = 3_000_000

interface Named extends InTab {
  header_row?: number | undefined
  use_header_names?: boolean | undefined
}

/** Numbers and truth values are such, dates are text as shown. */
const TYPED = 'Numbers and true/false come as such, dates as they are shown, blank rows not at all.'

export const rowReads = {
  find_row_by_num: tool({
    about: 'Reads one row by its number. For several rows use get_rows; to look for a value use find_rows.',
    effect: 'read',
    repeatable: true,
    scopes: READS,
    input: z.strictObject({ ...inTab, row_number: rowNumber, header_row: headerRow, use_header_names: useHeaderNames }),
    output: Row,
    example: { spreadsheet_id: 'book', sheet_id: 0, row_number: 2, use_header_names: true },
    run: async (ctx, { row_number, ...named }) => {
      const { grid, shape } = await shaped(ctx, named)
      if (row_number > grid.rows) fail('UPSTREAM_NOT_FOUND', `The tab has no row ${row_number}, only ${grid.rows} rows.`)
      const [row = []] = await valuesOf(ctx, named.spreadsheet_id, rowsOf(grid.title, row_number))
      return { row_number, values: shape(row) }
    },
  }),
  get_rows: tool({
    about: `Reads rows from start_row on, page by page: pass next_row as start_row for more, null means there are none. ${TYPED}`,
    effect: 'read',
    repeatable: true,
    scopes: READS,
    input: z.strictObject({
      ...inTab,
      start_row: rowNumber.optional().describe('First row to read; the one below the header when left out'),
      limit: z.int().min(1).max(MOST_ROWS).optional().describe(`Rows on a page; ${USUAL_PAGE} when left out`),
      header_row: headerRow,
      use_header_names: useHeaderNames,
    }),
    output: Rows,
    example: { spreadsheet_id: 'book', sheet_id: 0, start_row: 2, limit: 30 },
    run: (ctx, { start_row, limit = USUAL_PAGE, ...named }) => page(ctx, named, start_row ?? (named.header_row ?? 1) + 1, limit),
  }),
  get_many_rows: tool({
    about: `Reads all rows below the header at once, up to max_rows; next_row says where get_rows goes on if there are more. ${TYPED} To look for a value use find_rows.`,
    effect: 'read',
    repeatable: true,
    scopes: READS,
    input: z.strictObject({
      ...inTab,
      header_row: headerRow,
      use_header_names: useHeaderNames,
      max_rows: z.int().min(1).max(MOST_ROWS).optional().describe(`${MOST_ROWS} when left out`),
    }),
    output: Rows,
    example: { spreadsheet_id: 'book', sheet_id: 0, use_header_names: true },
    run: (ctx, { max_rows = MOST_ROWS, ...named }) => page(ctx, named, (named.header_row ?? 1) + 1, max_rows),
  }),
  find_rows: tool({
    about: `Finds the rows below the header in which a column equals or contains a value, from the top down, up to limit. ${TYPED}`,
    effect: 'read',
    repeatable: true,
    scopes: READS,
    input: z.strictObject({
      ...inTab,
      column_name: text.describe('As in the header row, or its letter where it has no name'),
      value: z.string().describe('Compared as text; true and false are TRUE and FALSE'),
      exact_match: z.boolean().optional().describe('true when left out; false finds what contains the value, in upper or lower case'),
      header_row: headerRow,
      limit: z.int().min(1).max(MOST_ROWS).optional().describe(`Rows to find at most; ${USUAL_PAGE} when left out`),
      use_header_names: useHeaderNames,
    }),
    output: z.object({ rows: z.array(Row), complete: z.boolean().describe('false: limit was reached and there may be more') }),
    example: { spreadsheet_id: 'book', sheet_id: 0, column_name: 'Email', value: 'p3@example.com' },
    run: async (ctx, { column_name, value, exact_match = true, limit = USUAL_PAGE, ...named }) => {
      const { grid, names, shape } = await shaped(ctx, { ...named, by_name: true })
      const column = columnOf(names, column_name)
      const wanted = value.toLowerCase()
      const matches = (cell: Cell = '') => (exact_match ? asText(cell) === value : asText(cell).toLowerCase().includes(wanted))
      const rows: z.input<typeof Row>[] = []
      for (let first = (named.header_row ?? 1) + 1; first <= grid.rows; first += SCANNED_AT_ONCE) {
        const last = Math.min(first + SCANNED_AT_ONCE - 1, grid.rows)
        const cells = await valuesOf(ctx, named.spreadsheet_id, rowsOf(grid.title, first, last))
        for (const [i, row] of cells.entries()) {
          if (row.length === 0 || !matches(row[column])) continue
          if (rows.length === limit) return { rows, complete: false }
          rows.push({ row_number: first + i, values: shape(row) })
        }
      }
      return { rows, complete: true }
    },
  }),
  export_sheet: tool({
    about: 'Reads one whole tab as CSV or TSV text, with all values as they are shown. For typed values or single rows use get_rows.',
    effect: 'read',
    repeatable: true,
    scopes: READS,
    input: z.strictObject({ ...inTab, format: z.enum(['csv', 'tsv']).optional().describe('csv when left out') }),
    output: z.object({ title: z.string(), format: z.enum(['csv', 'tsv']), rows: z.number(), content: z.string() }),
    example: { spreadsheet_id: 'book', sheet_id: 7, format: 'csv' },
    run: async (ctx, { format = 'csv', ...tab }) => {
      const grid = await gridOf(ctx, tab)
      const rows = await valuesOf(ctx, tab.spreadsheet_id, wholeTab(grid), 'shown')
      const content = csvOf(rows, format === 'csv' ? ',' : '\t')
      if (content.length > LARGEST_EXPORT)
        fail('UPSTREAM_INVALID', `The tab has ${content.length} characters; at most ${LARGEST_EXPORT} are exported.`, {
          hint: 'Read it page by page with get_rows.',
        })
      return { title: grid.title, format, rows: rows.length, content }
    },
  }),
}

const asText = (cell: Cell): string => (typeof cell === 'boolean' ? String(cell).toUpperCase() : String(cell))

/** The grid, and how its rows are handed out: as lists, or by the names of the header row. */
async function shaped(
  ctx: ToolContext,
  { header_row = 1, use_header_names = false, by_name = use_header_names, ...tab }: Named & { by_name?: boolean },
) {
  const grid = await gridOf(ctx, tab)
  const names = by_name ? columnNames(await headerOf(ctx, tab.spreadsheet_id, grid, header_row)) : []
  return { grid, names, shape: (row: Cell[]) => (use_header_names ? byName(names, row) : row) }
}

async function page(ctx: ToolContext, named: Named, first: number, count: number) {
  const { grid, shape } = await shaped(ctx, named)
  if (first > grid.rows) return { rows: [], next_row: null }
  const last = Math.min(first + count - 1, grid.rows)
  const cells = await valuesOf(ctx, named.spreadsheet_id, rowsOf(grid.title, first, last))
  const rows = cells.flatMap((row, i) => (row.length === 0 ? [] : [{ row_number: first + i, values: shape(row) }]))
  return { rows, next_row: last < grid.rows ? last + 1 : null }
}
