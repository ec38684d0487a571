/**
 * Google Sheets' contract (v4) as a stub that enforces it, with the two Drive methods that find and create spreadsheets. Written from
 * the vendor's own texts, apart from the connector:
 * - [client] @googleapis/sheets 18.1.1, Google's generated client: paths, parameters, bodies, scopes of each method
 * - [values] "Read & write cell values", spreadsheets.values: blank ends are left out, null skips a cell, A1 notation
 * - [seen] sentences that client programs quote: Unable to parse range, exceeds grid limits, insertDimension at the edge, startIndex must
 *   be set, deleting a row that is not there, all rows, Must specify at least one request, tables of append that begin beside the range
 * Not known, so chosen: the sentences for an unknown sheetId, for the last tab, and for a body whose range is not that of the path.
 */
import { about, createFile, credentials, forget as forgetFiles, listFiles, pick } from './drive.ts'
import { error, google } from './google.ts'
import { areaOf, type Area, type Cell, fits, put, shownArea, type Tab, tableAt, valuesOf } from './sheets-grid.ts'
import type { Asked, Reply, Route, Stub } from './stub.ts'

const at = (name: string) => `https://www.googleapis.com/auth/${name}`
const words = (text: string) => text.split(' ').filter((it) => it !== '')
/** [client] What each method accepts, as Google's client prints it. */
const READ = words('drive drive.file drive.readonly spreadsheets spreadsheets.readonly').map(at)
const WRITE = words('drive drive.file spreadsheets').map(at)

const tab = (sheetId: number, title: string, rows: Cell[][], more: Partial<Tab> = {}): Tab => ({
  sheetId,
  title,
  rows,
  rowCount: 100,
  columnCount: 8,
  formats: {},
  ...more,
})
const person = (n: number): Cell[] => [
  `Person ${n}`,
  `p${n}@example.com`,
  20 + n,
  n % 2 === 0,
  { serial: 46000 + n, shown: `2026-01-${String((n % 28) + 1).padStart(2, '0')}` },
]

/** What the spreadsheets hold at the beginning of each test. */
const seed = (): Record<string, Tab[]> => ({
  book: [
    tab(0, 'People', [['Name', 'Email', 'Age', 'Member', 'Since'], ...Array.from({ length: 65 }, (_, i) => person(i + 1))]),
    tab(7, "It's Q1/Q2", [
      [undefined, 'Item', 'Price', undefined, 'Price'],
      [undefined, 'Tea', 4.5, 'x', 5],
      [],
      [undefined, 'Ink, "blue"', 12, undefined, 13],
    ]),
    tab(9, 'Empty', []),
    tab(11, 'Chart', [], { object: true }),
    tab(13, 'Titled', [['2026 figures'], [], ['City', 'People'], ['Oslo', 717710]]),
  ],
  other: [tab(0, 'Sheet1', [])],
  tiny: [tab(0, 'Sheet1', [['A'], [1]], { rowCount: 2, columnCount: 1 })],
})
let books = seed()
let count = 0
const forget = () => {
  forgetFiles()
  books = seed()
  count = 0
}
/** What is in a tab now, for tests that look behind the answers. */
export const tabIn = (book: string, sheetId: number): Tab => {
  const found = books[book]?.find((it) => it.sheetId === sheetId)
  if (found === undefined) throw new Error(`no tab ${sheetId}`)
  return found
}

const invalid = (message: string) => error(400, message, { status: 'INVALID_ARGUMENT' })
const notFound = () => error(404, 'Requested entity was not found.', { status: 'NOT_FOUND' })
const denied = () => error(403, 'The caller does not have permission', { status: 'PERMISSION_DENIED' })
export const replies = { denied }

const STANDARD = 'alt fields prettyPrint quotaUser'
const route = (
  call: string,
  scopes: readonly string[],
  query: string,
  body: string,
  answer: (tabs: Tab[], asked: Asked) => Reply,
): Route => ({
  call,
  scopes,
  query: words(`${STANDARD} ${query}`),
  body: words(body),
  answer: (asked) => {
    if (asked.at.book === 'secret') return denied()
    const tabs = asked.at.book === undefined ? [] : books[asked.at.book]
    if (tabs === undefined) return notFound()
    const reply = answer(tabs, asked)
    return reply.status === 200 ? { ...reply, body: pick(asked.req.query.get('fields') ?? '*', reply.body) } : reply
  },
})
const ok = (body: unknown): Reply => ({ status: 200, body })

const properties = (it: Tab, i: number) => ({
  sheetId: it.sheetId,
  title: it.title,
  index: i,
  sheetType: it.object ? 'OBJECT' : 'GRID',
  ...(it.object ? {} : { gridProperties: { rowCount: it.rowCount, columnCount: it.columnCount } }),
})
const bookOf = (id: string, title: string, tabs: readonly Tab[]) => ({
  spreadsheetId: id,
  properties: { title, locale: 'en_US', timeZone: 'Europe/Oslo' },
  sheets: tabs.map((it, i) => ({ properties: properties(it, i) })),
  spreadsheetUrl: `https://docs.google.com/spreadsheets/d/${id}/edit`,
})

const RENDERING = 'majorDimension valueRenderOption dateTimeRenderOption'
const WRITING = 'includeValuesInResponse responseDateTimeRenderOption responseValueRenderOption valueInputOption'
const onArea =
  (work: (area: Area, asked: Asked) => Reply) =>
  (tabs: Tab[], asked: Asked): Reply => {
    const area = areaOf(String(asked.at.range), tabs)
    if (typeof area === 'string') return invalid(area)
    return area.tab.object ? invalid(`Unable to parse range: ${asked.at.range}`) : work(area, asked)
  }

/** [values] What is to be written: rows of cells, and how they are read. Otherwise the sentence of a 400. */
function entering(given: Record<string, unknown>, option: unknown, range: string): { values: unknown[][]; entered: boolean } | string {
  if (option !== 'RAW' && option !== 'USER_ENTERED') return "'valueInputOption' is required but not specified"
  if (given.range !== undefined && given.range !== range)
    return `Requested writing within range [${range}], but tried writing to ${given.range}`
  if ((given.majorDimension ?? 'ROWS') !== 'ROWS') return 'The stub knows rows only.'
  const values = given.values
  const good =
    Array.isArray(values) &&
    values.every((row) => Array.isArray(row) && row.every((it) => it === null || /^(string|number|boolean)$/.test(typeof it)))
  return good
    ? { values: values as unknown[][], entered: option === 'USER_ENTERED' }
    : "Invalid value at 'data.values' (type.googleapis.com/google.protobuf.ListValue)"
}
/** The part of an area that values cover. */
const covered = ({ tab, top, left }: Area, values: readonly unknown[][]): Area => ({
  tab,
  top,
  left,
  bottom: top + Math.max(1, values.length),
  right: left + Math.max(1, ...values.map((row) => row.length)),
})
const tooFar = ({ tab }: Area, range: string) =>
  invalid(`Range (${range}) exceeds grid limits. Max rows: ${tab.rowCount}, max columns: ${tab.columnCount}`)

function updated(book: unknown, area: Area, values: unknown[][], entered: boolean) {
  const cells = put(area, values, entered)
  return {
    spreadsheetId: book,
    updatedRange: shownArea(covered(area, values)),
    updatedRows: values.length,
    updatedColumns: Math.max(...values.map((r) => r.length)),
    updatedCells: cells,
  }
}
function update(area: Area, given: Record<string, unknown>, option: unknown, range: string, book: unknown): Reply {
  const it = entering(given, option, range)
  if (typeof it === 'string') return invalid(it)
  if (it.values.length > area.bottom - area.top || it.values.some((row) => row.length > area.right - area.left))
    return invalid(`Requested writing within range [${range}], but tried writing to row [${area.top + it.values.length}]`)
  return fits(area, it.values) ? ok(updated(book, area, it.values, it.entered)) : tooFar(area, range)
}

const append = onArea((area, { body, req: { query }, at: { book, range = '' } }) => {
  const it = entering(body, query.get('valueInputOption'), range)
  if (typeof it === 'string') return invalid(it)
  const table = tableAt(area)
  const start: Area = { ...area, top: table?.bottom ?? area.top, left: table?.left ?? area.left }
  if (query.get('insertDataOption') === 'INSERT_ROWS') {
    while (area.tab.rows.length < start.top) area.tab.rows.push([])
    area.tab.rows.splice(start.top, 0, ...it.values.map(() => []))
    area.tab.rowCount += it.values.length
  }
  return ok({
    spreadsheetId: book,
    ...(table === null ? {} : { tableRange: shownArea(table) }),
    updates: updated(book, start, it.values, it.entered),
  })
})

/** [client] Requests of batchUpdate and the fields that they may have. */
const REQUESTS: Record<string, string> = {
  addSheet: 'properties',
  deleteSheet: 'sheetId',
  updateSheetProperties: 'properties fields',
  insertDimension: 'range inheritFromBefore',
  deleteDimension: 'range',
  repeatCell: 'range cell fields',
  updateCells: 'rows fields start range',
}
type Args = Record<
  string,
  Record<string, unknown> & { sheetId?: number; title?: string; startIndex?: number; endIndex?: number; dimension?: string }
>

/** One request on a copy of the tabs: the reply, or the sentence after "Invalid requests[n].name: ". */
function apply(tabs: Tab[], name: string, args: Args & Record<string, unknown>): object | string {
  const stranger = Object.keys(args).find((it) => !words(REQUESTS[name] ?? '').includes(it))
  if (stranger !== undefined) return `Cannot find field ${stranger}.`
  const { range, properties: given, start } = args
  const id = (range ?? given ?? start ?? (args as { sheetId?: number })).sheetId
  const tab = tabs.find((it) => it.sheetId === id)
  if (name === 'addSheet') return addSheet(tabs, given ?? {})
  if (tab === undefined) return `No ${name.endsWith('Sheet') || given !== undefined ? 'sheet' : 'grid'} with id: ${id}`
  switch (name) {
    case 'deleteSheet':
      if (tabs.length === 1) return "You can't remove all the sheets in a document."
      tabs.splice(tabs.indexOf(tab), 1)
      return {}
    case 'updateSheetProperties':
      if (args.fields === undefined) return "At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)"
      if (tabs.some((it) => it !== tab && it.title === given?.title))
        return `A sheet with the name "${given?.title}" already exists. Please enter another name.`
      if (words(String(args.fields)).includes('title')) tab.title = String(given?.title)
      return {}
    case 'repeatCell':
      if (args.fields === undefined) return "At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)"
      for (let row = Number(range?.startRowIndex); row < Number(range?.endRowIndex); row++)
        tab.formats[row + 1] = { ...args.cell, fields: args.fields }
      return {}
    case 'updateCells':
      return updateCells(tab, args)
    default:
      return range === undefined ? 'range must be set' : dimension(tab, name, range, (args.inheritFromBefore as unknown) === true)
  }
}

function addSheet(
  tabs: Tab[],
  {
    sheetId = 1000 + count,
    title = `Sheet${tabs.length + 1}`,
    gridProperties,
  }: { sheetId?: number; title?: string; gridProperties?: { rowCount?: number; columnCount?: number } },
): object | string {
  if (tabs.some((it) => it.title === title)) return `A sheet with the name "${title}" already exists. Please enter another name.`
  if (tabs.some((it) => it.sheetId === sheetId)) return `A sheet with id ${sheetId} already exists.`
  if (!Number.isInteger(sheetId) || sheetId < 0 || sheetId > 0x7fffffff) return 'The sheet id must be a non-negative 32-bit integer.'
  count += 1
  tabs.push(tab(sheetId, title, [], { rowCount: 1000, columnCount: 26, ...gridProperties }))
  return { addSheet: { properties: properties(tabs.at(-1) as Tab, tabs.length - 1) } }
}

function updateCells(tab: Tab, { start, rows, fields }: Record<string, unknown>): object | string {
  if (fields !== 'userEnteredValue') return "The stub knows 'userEnteredValue' only."
  const { rowIndex = 0, columnIndex = 0 } = start as { rowIndex?: number; columnIndex?: number }
  const lines = rows as { values: { userEnteredValue: { stringValue?: string } }[] }[]
  const area: Area = { tab, top: rowIndex, left: columnIndex, bottom: 0, right: 0 }
  const values = lines.map((line) => line.values.map((it) => it.userEnteredValue.stringValue ?? null))
  if (!fits(area, values))
    return `Attempting to write column: ${columnIndex + Math.max(...values.map((it) => it.length)) - 1}, beyond the last requested column of: ${tab.columnCount - 1}`
  put(area, values, false)
  return {}
}

/** [seen] Indexes count from 0, the end is not included, and a 0 must be said. */
function dimension(tab: Tab, name: string, range: Args[string], inherits: boolean): object | string {
  const { dimension: which, startIndex: from, endIndex: to } = range
  if (which !== 'ROWS' && which !== 'COLUMNS') return 'dimension must be set'
  if (from === undefined || to === undefined) return `range.${from === undefined ? 'startIndex' : 'endIndex'} must be set`
  const size = which === 'ROWS' ? tab.rowCount : tab.columnCount
  const what = which === 'ROWS' ? 'row' : 'column'
  if (name === 'insertDimension') {
    if (inherits && from === 0) return 'inheritFromBefore cannot be true if startIndex is 0.'
    if (inherits ? from > size : from >= size)
      return `range.startIndex must be less than the grid size (${size}) if inheritFromBefore is false.`
    const blank = () => Array.from({ length: to - from }, () => undefined)
    if (which === 'COLUMNS')
      tab.rows = tab.rows.map((row) => (row.length > from ? [...row.slice(0, from), ...blank(), ...row.slice(from)] : row))
    else tab.rows.splice(from, 0, ...Array.from({ length: to - from }, () => []))
  } else {
    if (to > size)
      return `Cannot delete a ${what} that doesn't exist. Tried to delete ${what} index ${from} but there are only ${size} ${what}s.`
    if (to - from >= size) return `You can't delete all the ${what}s on the sheet.`
    if (which === 'ROWS') tab.rows.splice(from, to - from)
    else for (const row of tab.rows) row.splice(from, to - from)
  }
  tab[which === 'ROWS' ? 'rowCount' : 'columnCount'] += name === 'insertDimension' ? to - from : from - to
  return {}
}

/** [client] "If any request is not valid, no requests will be applied." */
function batchUpdate(tabs: Tab[], { body, at: { book = '' } }: Asked): Reply {
  const requests = body.requests as Record<string, Args & Record<string, unknown>>[] | undefined
  if (!Array.isArray(requests) || requests.length === 0) return invalid('Must specify at least one request.')
  const next = structuredClone(tabs)
  const replies: object[] = []
  for (const [n, request] of requests.entries()) {
    const [name = '', ...more] = Object.keys(request)
    if (REQUESTS[name] === undefined || more.length > 0)
      return invalid(`Invalid JSON payload received. Unknown name "${name}" at 'requests[${n}]': Cannot find field.`)
    const done = apply(next, name, request[name] as Args & Record<string, unknown>)
    if (typeof done === 'string') return invalid(`Invalid requests[${n}].${name}: ${done}`)
    replies.push(done)
  }
  books[book] = next
  return ok({ spreadsheetId: book, replies })
}

const BOOK = '/v4/spreadsheets/{book}'
const routes: Route[] = [
  route(`GET ${BOOK}`, READ, 'commentsViewMode excludeTablesInBandedRanges includeGridData ranges', '', (tabs, { at: { book = '' } }) =>
    ok(bookOf(book, 'Budget', tabs)),
  ),
  route('POST /v4/spreadsheets', WRITE, '', 'properties sheets namedRanges', (_, { body }) => {
    count += 1
    const id = `book-${count}`
    books[id] = [tab(0, 'Sheet1', [])]
    return ok(bookOf(id, String((body.properties as { title?: string })?.title ?? 'Untitled spreadsheet'), books[id]))
  }),
  route(`POST ${BOOK}:batchUpdate`, WRITE, '', 'requests includeSpreadsheetInResponse responseIncludeGridData responseRanges', batchUpdate),
  route(
    `GET ${BOOK}/values/{range}`,
    READ,
    RENDERING,
    '',
    onArea((area, { req: { query } }) => {
      const values = valuesOf(area, {
        value: query.get('valueRenderOption') ?? 'FORMATTED_VALUE',
        date: query.get('dateTimeRenderOption') ?? 'SERIAL_NUMBER',
      })
      return ok({ range: shownArea(area), majorDimension: 'ROWS', ...(values.length === 0 ? {} : { values }) })
    }),
  ),
  route(
    `PUT ${BOOK}/values/{range}`,
    WRITE,
    WRITING,
    'range majorDimension values',
    onArea((area, { body, req, at: { range = '', book } }) => update(area, body, req.query.get('valueInputOption'), range, book)),
  ),
  route(`POST ${BOOK}/values/{range}:append`, WRITE, `${WRITING} insertDataOption`, 'range majorDimension values', append),
  route(
    `POST ${BOOK}/values/{range}:clear`,
    WRITE,
    '',
    '',
    onArea((area, { at: { book } }) => {
      for (const row of area.tab.rows.slice(area.top, area.bottom)) row.fill(undefined, area.left, area.right)
      return ok({ spreadsheetId: book, clearedRange: shownArea(area) })
    }),
  ),
  route(`POST ${BOOK}/values:batchUpdate`, WRITE, '', `${WRITING} data`, (tabs, { body, at: { book } }) => {
    const before = structuredClone(tabs)
    const responses: unknown[] = []
    for (const [n, it] of (body.data as { range: string }[]).entries()) {
      const area = areaOf(it.range, tabs)
      const done = typeof area === 'string' ? invalid(area) : update(area, { ...it }, body.valueInputOption, it.range, book)
      if (done.status !== 200) {
        books[String(book)] = before
        return invalid(`Invalid data[${n}]: ${(done.body as { error: { message: string } }).error.message}`)
      }
      responses.push(done.body)
    }
    const sum = (name: string) => responses.reduce<number>((all, it) => all + Number((it as Record<string, unknown>)[name]), 0)
    return ok({
      spreadsheetId: book,
      totalUpdatedRows: sum('updatedRows'),
      totalUpdatedColumns: sum('updatedColumns'),
      totalUpdatedCells: sum('updatedCells'),
      totalUpdatedSheets: 1,
      responses,
    })
  }),
  route(`POST ${BOOK}/sheets/{sheet}:copyTo`, WRITE, '', 'destinationSpreadsheetId', (tabs, { body, at: { sheet } }) => {
    const from = tabs.find((it) => it.sheetId === Number(sheet))
    const to = books[String(body.destinationSpreadsheetId)]
    if (from === undefined) return invalid(`The sheet (${sheet}) does not exist.`)
    if (to === undefined) return notFound()
    count += 1
    to.push({ ...structuredClone(from), sheetId: 2000 + count, title: `Copy of ${from.title}` })
    return ok(properties(to.at(-1) as Tab, to.length - 1))
  }),
  about,
  listFiles,
  createFile,
]

export async function startSheets(): Promise<Stub> {
  const stub = await google(routes, { credentials })
  forget()
  return {
    ...stub,
    reset: () => {
      stub.reset()
      forget()
    },
  }
}
