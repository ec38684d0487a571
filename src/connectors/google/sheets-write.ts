import { fail, type ToolContext, tool, z } from '../contract.ts'
import { append, change, clear, type Entered, gridOf, headerOf, put, putAll, wholeTab } from './sheets-call.ts'
import { columnNames, inOrder } from './sheets-columns.ts'
import { type Given, MOST_ROWS, rowsIn } from './sheets-given.ts'
import { cellsOf, firstRow, letters, rowsOf } from './sheets-range.ts'
import {
  type Entry,
  entries,
  entriesByHeader,
  headerRow,
  type InTab,
  inTab,
  ONE_OF_BOTH,
  oneOfBoth,
  rowNumber,
  text,
  valueInput,
  WRITES,
} from './sheets-shapes.ts'

const COLOUR = z.string().regex(/^#[0-9a-fA-F]{6}$/, 'Give a colour as #rrggbb.')

const Inserted = z.object({
  updated_range: z.string(),
  row_number: z.number().nullable().describe('Of the first new row'),
  updated_rows: z.number(),
  updated_cells: z.number(),
})

export const rowWrites = {
  insert_row: tool({
    about:
      'Appends one row below the table that the header row begins. A second call appends a second one. To change a row that is there use update_row; for many rows use insert_multiple_rows.',
    effect: 'write',
    repeatable: false,
    scopes: WRITES,
    input: z
      .strictObject({
        ...inTab,
        header_row: headerRow,
        values_by_header: entriesByHeader.optional(),
        values: entries.optional(),
        value_input_option: valueInput,
      })
      .refine(oneOfBoth, ONE_OF_BOTH),
    output: Inserted,
    example: { spreadsheet_id: 'book', sheet_id: 0, values_by_header: { Name: 'Ada', Email: 'ada@example.com' } },
    run: (ctx, { values_by_header, values, value_input_option, ...where }) =>
      insert(ctx, where, [values_by_header ?? values ?? []], value_input_option),
  }),
  insert_multiple_rows: tool({
    about: `Appends up to ${MOST_ROWS} rows below the table that the header row begins, all of them or none. A second call appends them again. input_type says how rows are given.`,
    effect: 'write',
    repeatable: false,
    scopes: WRITES,
    input: z.strictObject({
      ...inTab,
      input_type: z
        .enum(['column_names', 'json', 'csv'])
        .describe(
          'column_names: a list of objects by name of column. json: a list, or its JSON text, of such objects or of lists of values from column A on. csv: text whose first line names the columns',
        ),
      rows: z.union([
        z
          .array(z.union([entriesByHeader, entries]))
          .min(1)
          .max(MOST_ROWS),
        text,
      ]),
      header_row: headerRow,
      value_input_option: valueInput,
    }),
    output: Inserted,
    example: { spreadsheet_id: 'book', sheet_id: 0, input_type: 'column_names', rows: [{ Name: 'Ada' }, { Name: 'Bob', Age: 36 }] },
    run: (ctx, { input_type, rows, value_input_option, ...where }) => insert(ctx, where, rowsIn(input_type, rows), value_input_option),
  }),
  update_row: tool({
    about:
      'Overwrites cells of one row that is there, found by its number; what is not named stays. Values are stored as they are, formulas are not worked out. To append use insert_row.',
    effect: 'write',
    repeatable: true, // The same values in the same cells.
    scopes: WRITES,
    input: z
      .strictObject({
        ...inTab,
        row_number: rowNumber,
        values_by_header: entriesByHeader.optional(),
        values: entries.optional(),
        header_row: headerRow,
      })
      .refine(oneOfBoth, ONE_OF_BOTH),
    output: z.object({ updated_range: z.string(), updated_cells: z.number() }),
    example: { spreadsheet_id: 'book', sheet_id: 0, row_number: 3, values_by_header: { Age: 37 } },
    run: async (ctx, { row_number, values_by_header, values, ...where }) => {
      const { title, order } = await ordering(ctx, where, values_by_header !== undefined)
      const row = order(values_by_header ?? values ?? [])
      const { updatedRange, updatedCells } = await put(ctx, where.spreadsheet_id, cellsOf(title, row_number, 0, row.length - 1), [row])
      return { updated_range: updatedRange, updated_cells: updatedCells }
    },
  }),
  update_multiple_rows: tool({
    about: `Overwrites cells of up to ${MOST_ROWS} rows in one request, each found by its number and given like in update_row; what is not named stays.`,
    effect: 'write',
    repeatable: true, // The same values in the same cells.
    scopes: WRITES,
    input: z.strictObject({
      ...inTab,
      rows: z
        .array(
          z
            .strictObject({ row_number: rowNumber, values_by_header: entriesByHeader.optional(), values: entries.optional() })
            .refine(oneOfBoth, ONE_OF_BOTH),
        )
        .min(1)
        .max(MOST_ROWS),
      header_row: headerRow,
    }),
    output: z.object({ updated_rows: z.number(), updated_cells: z.number() }),
    example: {
      spreadsheet_id: 'book',
      sheet_id: 0,
      rows: [
        { row_number: 3, values_by_header: { Age: 37 } },
        { row_number: 5, values: ['Eve'] },
      ],
    },
    run: async (ctx, { rows, ...where }) => {
      const { title, order } = await ordering(
        ctx,
        where,
        rows.some((it) => it.values_by_header !== undefined),
      )
      const data = rows.map(({ row_number, values_by_header, values }) => {
        const row = order(values_by_header ?? values ?? [])
        return { range: cellsOf(title, row_number, 0, row.length - 1), values: [row] }
      })
      const { totalUpdatedRows, totalUpdatedCells } = await putAll(ctx, where.spreadsheet_id, data)
      return { updated_rows: totalUpdatedRows, updated_cells: totalUpdatedCells }
    },
  }),
  delete_row: tool({
    about:
      'Removes one row; the rows below move up, so that their numbers change. A second call removes another row. To empty cells use update_row.',
    effect: 'destroy',
    repeatable: false,
    scopes: WRITES,
    input: z.strictObject({ ...inTab, row_number: rowNumber }),
    output: z.object({ row_number: z.number(), deleted: z.literal(true) }),
    example: { spreadsheet_id: 'book', sheet_id: 0, row_number: 4 },
    run: async (ctx, { spreadsheet_id, sheet_id, row_number }) => {
      const range = { sheetId: sheet_id, dimension: 'ROWS', startIndex: row_number - 1, endIndex: row_number }
      await change(ctx, spreadsheet_id, [{ deleteDimension: { range } }])
      return { row_number, deleted: true as const }
    },
  }),
  clear_sheet: tool({
    about:
      'Empties all cells of a tab, or with keep_header all below the header row. Formats stay. To remove the tab use delete_worksheet.',
    effect: 'destroy',
    repeatable: true, // What is empty stays empty.
    scopes: WRITES,
    input: z.strictObject({ ...inTab, keep_header: z.boolean().optional().describe('false when left out'), header_row: headerRow }),
    output: z.object({ cleared_range: z.string().nullable().describe('null: there is no row below the header') }),
    example: { spreadsheet_id: 'book', sheet_id: 7, keep_header: true },
    run: async (ctx, { keep_header = false, header_row = 1, ...tab }) => {
      const grid = await gridOf(ctx, tab)
      if (keep_header && header_row >= grid.rows) return { cleared_range: null }
      const range = keep_header ? rowsOf(grid.title, header_row + 1, grid.rows) : wholeTab(grid)
      return { cleared_range: await clear(ctx, tab.spreadsheet_id, range) }
    },
  }),
  format_row: tool({
    about: 'Sets background colour, text colour or bold type of whole rows. Values stay, and so do formats that are not named.',
    effect: 'write',
    repeatable: true, // The same format on the same rows.
    scopes: WRITES,
    input: z
      .strictObject({
        ...inTab,
        row_numbers: z.array(rowNumber).min(1).max(MOST_ROWS),
        background_color: COLOUR.optional().describe('Such as #fff2cc'),
        bold: z.boolean().optional(),
        text_color: COLOUR.optional().describe('Such as #990000'),
      })
      .refine(
        (it) => [it.background_color, it.bold, it.text_color].some((f) => f !== undefined),
        'Name at least one of background_color, bold and text_color.',
      ),
    output: z.object({ row_numbers: z.array(z.number()) }),
    example: { spreadsheet_id: 'book', sheet_id: 0, row_numbers: [1], bold: true, background_color: '#fff2cc' },
    run: async (ctx, { spreadsheet_id, sheet_id, row_numbers, ...look }) => {
      const { userEnteredFormat, fields } = format(look)
      const requests = row_numbers.map((row) => {
        const range = { sheetId: sheet_id, startRowIndex: row - 1, endRowIndex: row }
        return { repeatCell: { range, cell: { userEnteredFormat }, fields } }
      })
      await change(ctx, spreadsheet_id, requests, true)
      return { row_numbers }
    },
  }),
}

interface Where extends InTab {
  header_row?: number | undefined
}

async function ordering(ctx: ToolContext, { header_row = 1, ...tab }: Where, byHeader: boolean) {
  const grid = await gridOf(ctx, tab)
  const names = byHeader ? columnNames(await headerOf(ctx, tab.spreadsheet_id, grid, header_row)) : []
  return { title: grid.title, order: (row: Given): Entry[] => (Array.isArray(row) ? row : inOrder(names, row)) }
}

/**
 * Google looks for a table around the given cells and writes from its first column on. A blank cell is no table: rows would then get
 * above the header or shift to the side. So the header's own cells are given, and what is written begins where they begin.
 */
async function insert(ctx: ToolContext, { header_row = 1, ...tab }: Where, rows: readonly Given[], entered: Entered = 'RAW') {
  const grid = await gridOf(ctx, tab)
  const header = await headerOf(ctx, tab.spreadsheet_id, grid, header_row)
  const names = columnNames(header)
  const first = Math.max(
    0,
    header.findIndex((it) => it !== ''),
  )
  const values = rows.map((row) => {
    const cells = Array.isArray(row) ? row : inOrder(names, row)
    if (cells.slice(0, first).some((it) => it !== null && it !== ''))
      fail('INVALID_INPUT', `The header row begins in column ${letters(first)}, and a row has a value before it.`, {
        hint: 'Begin rows with null for the columns before the header, or name another header_row.',
      })
    const kept = cells.slice(first)
    if (kept.every((it) => it === null))
      fail('INVALID_INPUT', 'A row has no value at all.', { hint: 'null leaves a cell as it is; "" is a blank one.' })
    return kept
  })
  const range = cellsOf(grid.title, header_row, first, Math.max(first, header.length - 1))
  const { updatedRange, updatedRows, updatedCells } = await append(ctx, tab.spreadsheet_id, range, values, entered)
  return { updated_range: updatedRange, row_number: firstRow(updatedRange), updated_rows: updatedRows, updated_cells: updatedCells }
}

/** The format, and the field mask without which Google would reset what is not named. */
function format(look: { background_color?: string | undefined; bold?: boolean | undefined; text_color?: string | undefined }) {
  const { background_color, bold, text_color } = look
  const named = [
    background_color === undefined ? null : 'userEnteredFormat.backgroundColorStyle',
    bold === undefined ? null : 'userEnteredFormat.textFormat.bold',
    text_color === undefined ? null : 'userEnteredFormat.textFormat.foregroundColorStyle',
  ]
  return {
    userEnteredFormat: {
      ...(background_color === undefined ? {} : { backgroundColorStyle: { rgbColor: colour(background_color) } }),
      textFormat: { bold, ...(text_color === undefined ? {} : { foregroundColorStyle: { rgbColor: colour(text_color) } }) },
    },
    fields: named.filter((it) => it !== null).join(','),
  }
}

/** `#rrggbb` → parts from 0 to 1. */
function colour(hex: string): { red: number; green: number; blue: number } {
  const part = (at: number) => Number.parseInt(hex.slice(at, at + 2), 16) / 255
  return { red: part(1), green: part(3), blue: part(5) }
}
