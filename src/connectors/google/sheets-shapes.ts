/** What the spreadsheet tools have in common: scopes, arguments, and what rows and tabs look like. */
import { z } from '../contract.ts'
import { anyOf } from './call.ts'

/** Alternatives, the least first, as Google's client names them for the methods. `drive.file` does for what this app made or was given. */
export const READS = [anyOf('spreadsheets.readonly', 'drive.file', 'spreadsheets', 'drive.readonly', 'drive')]
export const WRITES = [anyOf('spreadsheets', 'drive.file', 'drive')]
export const MAKES = [anyOf('drive.file', 'spreadsheets', 'drive')]

export const text = z.string().min(1)
export const spreadsheetId = text.describe('Id of the spreadsheet, from find_spreadsheets; in a link it stands after /d/')
/** Ids of tabs are 32-bit numbers in Google's interface. */
export const sheetId = z.int32().min(0).describe('Id of the tab, from find_worksheet; in a link it stands after gid=')
export const inTab = { spreadsheet_id: spreadsheetId, sheet_id: sheetId }
export interface InTab {
  spreadsheet_id: string
  sheet_id: number
}

/** A spreadsheet has at most ten million cells (Drive help, "Files you can store"), so no row lies further down. */
const LAST_ROW = 10_000_000
export const rowNumber = z.int().min(1).max(LAST_ROW).describe('Counts from 1, the header row included')
export const headerRow = z.int().min(1).max(LAST_ROW).optional().describe('Row with the names of the columns; 1 when left out')
export const useHeaderNames = z
  .boolean()
  .optional()
  .describe('Values by name of column instead of a list; columns without a name of their own go by their letter')

export const Cell = z.union([z.string(), z.number(), z.boolean()])
export type Cell = z.output<typeof Cell>
export const Row = z.object({ row_number: z.number(), values: z.union([z.array(Cell), z.record(z.string(), Cell)]) })
export const Rows = z.object({
  rows: z.array(Row),
  next_row: z.number().nullable().describe('Where get_rows goes on; null at the end of the tab'),
})

const Entry = z.union([z.string(), z.number(), z.boolean(), z.null()])
export type Entry = z.output<typeof Entry>
export const entries = z.array(Entry).min(1).describe('From column A on; null leaves a cell as it is, "" empties it')
export const entriesByHeader = z
  .record(z.string(), Entry)
  .refine((it) => Object.keys(it).length > 0, 'Name at least one column.')
  .describe('Values by name of column; columns that are not named are left as they are')
export const oneOfBoth = (it: { values?: unknown; values_by_header?: unknown }): boolean =>
  (it.values === undefined) !== (it.values_by_header === undefined)
export const ONE_OF_BOTH = 'Give exactly one of values and values_by_header.'

export const valueInput = z
  .enum(['RAW', 'USER_ENTERED'])
  .optional()
  .describe('RAW (when left out) stores values as they are. USER_ENTERED works out formulas: never for text from strangers')

/** spreadsheets.SheetProperties. A tab that holds a chart alone has no grid. */
export const Properties = z.looseObject({
  sheetId: z.number(),
  title: z.string(),
  index: z.number().optional(),
  hidden: z.boolean().optional(),
  gridProperties: z.looseObject({ rowCount: z.number(), columnCount: z.number() }).optional(),
})
export type Properties = z.output<typeof Properties>

export const Worksheet = z.object({
  sheet_id: z.number(),
  title: z.string(),
  index: z.number().nullable().describe('Place among the tabs, from 0'),
  rows: z.number().nullable().describe('Of the grid, blank ones included; null for a tab without a grid'),
  columns: z.number().nullable(),
  hidden: z.boolean(),
})
export const worksheet = ({ sheetId, title, index, hidden, gridProperties }: Properties): z.input<typeof Worksheet> => ({
  sheet_id: sheetId,
  title,
  index: index ?? null,
  rows: gridProperties?.rowCount ?? null,
  columns: gridProperties?.columnCount ?? null,
  hidden: hidden ?? false,
})
