import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import { lone } from '../../../test/fakes/drive.ts'
import { replies as common, tokens } from '../../../test/fakes/google.ts'
import { startSheets, tabIn } from '../../../test/fakes/sheets.ts'
import type { Stub } from '../../../test/fakes/stub.ts'
import type { Tool } from '../contract.ts'
import { missingScopes } from '../scopes.ts'
import { googleSheets } from './sheets.ts'

let stub: Stub
beforeAll(async () => {
  stub = await startSheets()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const as = (access_token: string) => toolContext(googleSheets, { credentials: { access_token }, config: { api_base: stub.url } })
const toolOf = (name: string): Tool => {
  const tool = googleSheets.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool
}
async function call(name: string, input: object, ctx = as(tokens.valid)): Promise<Record<string, unknown>> {
  const tool = toolOf(name)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const sent = (n = -1) => {
  const req = stub.requests.at(n)
  if (req === undefined) throw new Error(`no request ${n}`)
  return {
    line: `${req.method} ${decodeURIComponent(req.path)}`,
    path: req.path,
    asked: Object.fromEntries(req.query),
    body: req.body === '' ? null : JSON.parse(req.body),
  }
}
const lines = () => stub.requests.map((it) => `${it.method} ${decodeURIComponent(it.path)}`)
const people = { spreadsheet_id: 'book', sheet_id: 0 }
const quarter = { spreadsheet_id: 'book', sheet_id: 7 }
const titled = { spreadsheet_id: 'book', sheet_id: 13, header_row: 3 }
const empty = { spreadsheet_id: 'book', sheet_id: 9 }
const V4 = '/v4/spreadsheets/book'

describe('the connector', () => {
  it('has the twenty tools', () => {
    const named = `clear_sheet copy_worksheet create_column create_spreadsheet create_worksheet delete_row delete_worksheet export_sheet find_row_by_num find_rows
      find_spreadsheets find_worksheet format_row get_many_rows get_rows insert_multiple_rows insert_row rename_worksheet update_multiple_rows update_row`
    expect(Object.keys(googleSheets.tools).sort()).toEqual(named.split(/\s+/))
  })

  it('tells whose account it is', async () => {
    expect(await googleSheets.auth.check(as(tokens.valid))).toEqual({
      account: { id: '0177', label: 'ada@example.com' },
      granted_scopes: null,
    })
  })

  it('a token without any scope of Drive lives all the same', async () => {
    const account = { id: '11', label: 'ada@example.com' }
    const ctx = toolContext(googleSheets, { credentials: { access_token: lone.spreadsheets }, config: { api_base: stub.url }, account })
    expect(await googleSheets.auth.check(ctx)).toEqual({
      account,
      granted_scopes: null,
      warnings: [expect.stringContaining('find_spreadsheets')],
    })
  })

  it.each(['expired', 'revoked'] as const)('an %s token is rejected', async (kind) => {
    await expect(googleSheets.auth.check(as(tokens[kind]))).rejects.toMatchObject({ code: 'CREDENTIAL_REJECTED' })
  })

  it.each([
    ['find_spreadsheets', { name: 'Plan' }, 'https://www.googleapis.com/drive/v3/files?'],
    ['create_spreadsheet', { title: 'a', folder_id: 'f-2026' }, 'https://www.googleapis.com/drive/v3/files?'],
    ['create_spreadsheet', { title: 'a' }, '/v4/spreadsheets?'],
    ['find_worksheet', { spreadsheet_id: 'book', title: '' }, '/v4/spreadsheets/book?'],
  ])("%s asks on Google's hosts, or all on one of our own", async (name, input, url) => {
    const asked: string[] = []
    const fetch = async (it: string) => {
      asked.push(it)
      return new Response('{}', { status: 400 })
    }
    for (const config of [{}, { api_base: stub.url }]) {
      const ctx = { ...toolContext(googleSheets, { credentials: { access_token: 'x' }, config }), fetch }
      await call(name, input, ctx).catch(() => undefined)
    }
    expect(asked[0]?.startsWith(url)).toBe(true)
    expect(asked[1]?.startsWith(new URL(url, 'http://x').pathname)).toBe(true)
  })
})

describe('tabs and spreadsheets', () => {
  it('finds tabs by a part of the title, or the very one', async () => {
    expect(await call('find_worksheet', { spreadsheet_id: 'book', title: 'PEOPLE' })).toEqual({
      worksheets: [{ sheet_id: 0, title: 'People', index: 0, rows: 100, columns: 8, hidden: false }],
    })
    expect(sent()).toMatchObject({ line: `GET ${V4}`, asked: { fields: 'sheets.properties' } })
    expect(await call('find_worksheet', { spreadsheet_id: 'book', title: 'PEOPLE', exact_match: true })).toEqual({ worksheets: [] })
    expect((await call('find_worksheet', { spreadsheet_id: 'book', title: '' })).worksheets).toHaveLength(5)
    expect(await call('find_worksheet', { spreadsheet_id: 'book', title: 'Chart' })).toMatchObject({
      worksheets: [{ rows: null, columns: null }],
    })
  })

  it('[connectors.pages] finds spreadsheets over three pages', async () => {
    const seen: unknown[] = []
    let page_token: unknown = null
    for (let n = 1; n <= 3; n++) {
      const page = await call('find_spreadsheets', { name: 'Plan', max_results: 30, ...(page_token === null ? {} : { page_token }) })
      seen.push(...(page.spreadsheets as { id: string }[]).map((it) => it.id))
      page_token = page.next_page_token
      expect(page_token === null).toBe(n === 3)
    }
    expect(new Set(seen).size).toBe(65)
  })

  it.each([
    [{ name: 'Budg' }, "name contains 'Budg'", 1],
    [{ name: 'Budg', exact_match: true }, "name = 'Budg'", 0],
    [{ name: "x' or name contains 'Budget" }, "name contains 'x\\' or name contains \\'Budget'", 0],
    [{ name: 'notes' }, "name contains 'notes'", 0],
  ])('finds %j by %s', async (input, condition, count) => {
    expect((await call('find_spreadsheets', input)).spreadsheets).toHaveLength(count)
    expect(sent().asked.q).toBe(`mimeType = 'application/vnd.google-apps.spreadsheet' and ${condition} and trashed = false`)
  })

  it('makes a spreadsheet with Sheets, or in a folder with Drive', async () => {
    expect(await call('create_spreadsheet', { title: 'Orders' })).toEqual({
      spreadsheet_id: 'book-1',
      title: 'Orders',
      url: 'https://docs.google.com/spreadsheets/d/book-1/edit',
    })
    expect(sent()).toMatchObject({ line: 'POST /v4/spreadsheets', body: { properties: { title: 'Orders' } } })
    expect(await call('create_spreadsheet', { title: 'Orders', folder_id: 'f-2026' })).toMatchObject({ title: 'Orders' })
    expect(sent()).toMatchObject({
      line: 'POST /drive/v3/files',
      body: { name: 'Orders', mimeType: 'application/vnd.google-apps.spreadsheet', parents: ['f-2026'] },
      asked: { supportsAllDrives: 'true' },
    })
  })

  it('adds a tab, with headers in the same request', async () => {
    expect(await call('create_worksheet', { spreadsheet_id: 'book', title: 'Plain' })).toMatchObject({
      title: 'Plain',
      index: 5,
      rows: 1000,
      columns: 26,
    })
    expect(sent()).toMatchObject({ line: `POST ${V4}:batchUpdate`, body: { requests: [{ addSheet: { properties: { title: 'Plain' } } }] } })
    const { sheet_id } = await call('create_worksheet', { spreadsheet_id: 'book', title: 'Orders', headers: ['Id', '=A1'] })
    expect(sent().body.requests).toHaveLength(2)
    expect(tabIn('book', Number(sheet_id)).rows).toEqual([['Id', '=A1']])
  })

  it('a tab of a title that is taken is not half made', async () => {
    await expect(call('create_worksheet', { spreadsheet_id: 'book', title: 'People', headers: ['a'] })).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      message: expect.stringContaining('A sheet with the name "People" already exists'),
    })
    expect(stub.requests).toHaveLength(1)
  })

  it('gives a tab as many columns as there are headers', async () => {
    await call('create_worksheet', { spreadsheet_id: 'book', title: 'Wide', headers: Array.from({ length: 30 }, String) })
    expect(sent().body.requests[0].addSheet.properties.gridProperties).toEqual({ columnCount: 30 })
  })

  it('renames, copies and removes tabs by their ids', async () => {
    expect(await call('rename_worksheet', { ...empty, new_title: 'Archive' })).toEqual({ sheet_id: 9, title: 'Archive' })
    expect(sent().body).toEqual({
      requests: [{ updateSheetProperties: { properties: { sheetId: 9, title: 'Archive' }, fields: 'title' } }],
    })
    expect(await call('copy_worksheet', { ...people, destination_spreadsheet_id: 'other' })).toMatchObject({
      title: 'Copy of People',
      index: 1,
    })
    expect(sent()).toMatchObject({ line: `POST ${V4}/sheets/0:copyTo`, body: { destinationSpreadsheetId: 'other' } })
    expect(await call('delete_worksheet', empty)).toEqual({ sheet_id: 9, deleted: true })
    expect(sent().body).toEqual({ requests: [{ deleteSheet: { sheetId: 9 } }] })
    await expect(call('delete_worksheet', empty)).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      message: expect.stringContaining('No sheet with id: 9'),
    })
  })
})

describe('reading rows', () => {
  it('a tab with an apostrophe and a slash is found in the path', async () => {
    expect(await call('find_row_by_num', { ...quarter, row_number: 2 })).toEqual({ row_number: 2, values: ['', 'Tea', 4.5, 'x', 5] })
    expect(sent().path).toBe("/v4/spreadsheets/book/values/'It''s%20Q1%2FQ2'!2%3A2")
  })

  it('values keep their types, and dates are as shown', async () => {
    expect(await call('find_row_by_num', { ...people, row_number: 3 })).toEqual({
      row_number: 3,
      values: ['Person 2', 'p2@example.com', 22, true, '2026-01-03'],
    })
    expect(sent()).toMatchObject({
      line: `GET ${V4}/values/'People'!3:3`,
      asked: { valueRenderOption: 'UNFORMATTED_VALUE', dateTimeRenderOption: 'FORMATTED_STRING' },
    })
  })

  it('by name where that is asked for', async () => {
    expect(await call('find_row_by_num', { ...people, row_number: 3, use_header_names: true })).toMatchObject({
      values: { Name: 'Person 2', Email: 'p2@example.com', Age: 22, Member: true, Since: '2026-01-03' },
    })
    expect(lines()).toEqual([`GET ${V4}`, `GET ${V4}/values/'People'!1:1`, `GET ${V4}/values/'People'!3:3`])
    expect((await call('find_row_by_num', { ...quarter, row_number: 2, use_header_names: true })).values).toEqual({
      A: '',
      Item: 'Tea',
      Price: 4.5,
      D: 'x',
      E: 5,
    })
    expect((await call('find_row_by_num', { ...titled, row_number: 4, use_header_names: true })).values).toEqual({
      City: 'Oslo',
      People: 717710,
    })
  })

  it('a row that is blank, and one that is not there', async () => {
    expect(await call('find_row_by_num', { ...people, row_number: 90 })).toEqual({ row_number: 90, values: [] })
    await expect(call('find_row_by_num', { ...people, row_number: 101 })).rejects.toMatchObject({
      code: 'UPSTREAM_NOT_FOUND',
      message: 'The tab has no row 101, only 100 rows.',
    })
  })

  it('[connectors.pages] get_rows walks to the end of the tab', async () => {
    const seen: number[] = []
    let start_row: unknown
    const ranges: string[] = []
    do {
      const page = await call('get_rows', { ...people, limit: 30, ...(start_row === undefined ? {} : { start_row }) })
      seen.push(...(page.rows as { row_number: number }[]).map((it) => it.row_number))
      start_row = page.next_row
      ranges.push(sent().line.split('!')[1] ?? '')
    } while (start_row !== null)
    expect(seen).toEqual(Array.from({ length: 65 }, (_, i) => i + 2))
    expect(ranges).toEqual(['2:31', '32:61', '62:91', '92:100'])
  })

  it('leaves blank rows out, and keeps the numbers', async () => {
    const { rows } = await call('get_rows', { ...quarter })
    expect((rows as { row_number: number }[]).map((it) => it.row_number)).toEqual([2, 4])
    expect(await call('get_rows', { ...quarter, start_row: 500 })).toEqual({ rows: [], next_row: null })
  })

  it('get_many_rows reads all, or up to max_rows', async () => {
    const all = await call('get_many_rows', { ...people, use_header_names: true })
    expect(all.rows).toHaveLength(65)
    expect(all.next_row).toBeNull()
    expect(await call('get_many_rows', { ...people, max_rows: 2 })).toMatchObject({
      rows: [{ row_number: 2 }, { row_number: 3 }],
      next_row: 4,
    })
    expect((await call('get_many_rows', titled)).rows).toEqual([{ row_number: 4, values: ['Oslo', 717710] }])
  })

  it.each([
    [{ column_name: 'Email', value: 'p3@example.com' }, [4], true],
    [{ column_name: 'Email', value: 'P3@' }, [], true],
    [{ column_name: 'Email', value: 'P3@', exact_match: false }, [4], true],
    [{ column_name: 'Age', value: '25' }, [6], true],
    [{ column_name: 'Member', value: 'TRUE', limit: 3 }, [3, 5, 7], false],
    [{ column_name: 'Name', value: 'Person 6', exact_match: false, limit: 7 }, [7, 61, 62, 63, 64, 65, 66], true],
  ])('find_rows %j', async (input, found, complete) => {
    const answer = await call('find_rows', { ...people, ...input })
    expect((answer.rows as { row_number: number }[]).map((it) => it.row_number)).toEqual(found)
    expect(answer.complete).toBe(complete)
  })

  it('find_rows knows columns without a name by their letter, and tells the names of others', async () => {
    expect(await call('find_rows', { ...quarter, column_name: 'E', value: '13', use_header_names: true })).toMatchObject({
      rows: [{ row_number: 4, values: { E: 13 } }],
    })
    await expect(call('find_rows', { ...people, column_name: 'Mail', value: 'x' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      hint: 'Its columns: Name, Email, Age, Member, Since.',
    })
  })

  it('exports a tab as it is shown', async () => {
    expect(await call('export_sheet', quarter)).toEqual({
      title: "It's Q1/Q2",
      format: 'csv',
      rows: 4,
      content: ',Item,Price,,Price\r\n,Tea,4.5,x,5\r\n\r\n,"Ink, ""blue""",12,,13\r\n',
    })
    expect(sent()).toMatchObject({ line: `GET ${V4}/values/'It''s Q1/Q2'`, asked: { valueRenderOption: 'FORMATTED_VALUE' } })
    expect(await call('export_sheet', { ...people, format: 'tsv' })).toMatchObject({
      format: 'tsv',
      rows: 66,
      content: expect.stringContaining('Person 2\tp2@example.com\t22\tTRUE\t2026-01-03\r\n'),
    })
  })
})

describe('writing rows', () => {
  it('appends below the table, values as they are', async () => {
    expect(await call('insert_row', { ...people, values_by_header: { Age: 36, Name: '=1+1' } })).toEqual({
      updated_range: 'People!A67:C67',
      row_number: 67,
      updated_rows: 1,
      updated_cells: 2,
    })
    expect(sent()).toEqual({
      line: `POST ${V4}/values/'People'!A1:E1:append`,
      path: `${V4}/values/'People'!A1%3AE1:append`,
      asked: { valueInputOption: 'RAW', insertDataOption: 'INSERT_ROWS' },
      body: { range: "'People'!A1:E1", majorDimension: 'ROWS', values: [['=1+1', null, 36]] },
    })
    expect(tabIn('book', 0).rows[66]).toEqual(['=1+1', undefined, 36])
    await call('insert_row', { ...people, values: ['=1+1', '5'], value_input_option: 'USER_ENTERED' })
    expect(tabIn('book', 0).rows[67]).toEqual(['#evaluated =1+1', 5])
  })

  it('keeps to the columns of a header that does not begin in column A', async () => {
    expect(await call('insert_row', { ...quarter, values: [null, 'Pen', 2] })).toMatchObject({ updated_range: "'It''s Q1/Q2'!B3:C3" })
    expect(tabIn('book', 7).rows[2]).toEqual([undefined, 'Pen', 2])
    await expect(call('insert_row', { ...quarter, values: ['x', 'Pen'] })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: 'The header row begins in column B, and a row has a value before it.',
    })
    await expect(call('insert_row', { ...quarter, values: [''] })).rejects.toMatchObject({ message: 'A row has no value at all.' })
  })

  it('goes by the header row that is named, and begins a blank tab', async () => {
    expect(await call('insert_row', { ...titled, values_by_header: { People: 1, City: 'Bø' } })).toMatchObject({ row_number: 5 })
    expect(await call('insert_row', { ...empty, values: ['a'] })).toMatchObject({ updated_range: 'Empty!A1', row_number: 1 })
    await expect(call('insert_row', { ...empty, header_row: 2, values_by_header: { a: 1 } })).rejects.toMatchObject({
      hint: expect.stringContaining('header row is blank'),
    })
  })

  it.each([
    ['column_names', [{ Name: 'Ada' }, { Age: 36, Name: 'Bob' }], [['Ada'], ['Bob', null, 36]]],
    ['json', [['Ada', 'a@example.com'], { Name: 'Bob' }], [['Ada', 'a@example.com'], ['Bob']]],
    ['json', '[{"Age":36}]', [[null, null, 36]]],
    [
      'csv',
      'Age,Name\r\n36,"Ada, B."\r\n,Bob\r\n',
      [
        ['Ada, B.', null, '36'],
        ['Bob', null, ''],
      ],
    ],
  ])('insert_multiple_rows with %s', async (input_type, rows, values) => {
    expect(await call('insert_multiple_rows', { ...people, input_type, rows })).toMatchObject({
      row_number: 67,
      updated_rows: values.length,
    })
    expect(sent().body.values).toEqual(values)
  })

  it.each([
    ['column_names', 'Name\nAda', /list of objects/],
    ['column_names', [['Ada']], /list of objects/],
    ['json', '{"Name":"Ada"}', /list of objects or of lists/],
    ['json', '[{"Name":{}}]', /list of objects or of lists/],
    ['json', 'nope', /list of objects or of lists/],
    ['csv', 'Name\n"Ada', /closed quotes/],
    ['csv', 'Name', /one below it/],
    ['csv', 'Name\nAda,Bob', /more cells than the first/],
    ['csv', 'Name,Name \nAda,Bob', /one name/],
    ['csv', [{ Name: 'Ada' }], /CSV text/],
  ])('insert_multiple_rows with %s refuses %j', async (input_type, rows, message) => {
    await expect(call('insert_multiple_rows', { ...people, input_type, rows })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(message),
    })
    expect(stub.requests).toEqual([])
  })

  it('update_row overwrites what is named and no more', async () => {
    expect(await call('update_row', { ...people, row_number: 3, values_by_header: { Age: 99, Name: '' } })).toEqual({
      updated_range: 'People!A3:C3',
      updated_cells: 2,
    })
    expect(sent()).toMatchObject({
      line: `PUT ${V4}/values/'People'!A3:C3`,
      asked: { valueInputOption: 'RAW' },
      body: { range: "'People'!A3:C3", majorDimension: 'ROWS', values: [['', null, 99]] },
    })
    expect(tabIn('book', 0).rows[2]?.slice(0, 4)).toEqual([undefined, 'p2@example.com', 99, true])
    await call('update_row', { ...people, row_number: 3, values: ['=A1'] })
    expect(tabIn('book', 0).rows[2]?.[0]).toBe('=A1')
    await expect(call('update_row', { ...people, row_number: 101, values: [1] })).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      message: expect.stringContaining('exceeds grid limits. Max rows: 100, max columns: 8'),
    })
  })

  it('update_multiple_rows writes all or none', async () => {
    const rows = [
      { row_number: 2, values_by_header: { Age: 1 } },
      { row_number: 4, values: ['Z', null, 2] },
    ]
    expect(await call('update_multiple_rows', { ...people, rows })).toEqual({ updated_rows: 2, updated_cells: 3 })
    expect(sent()).toMatchObject({
      line: `POST ${V4}/values:batchUpdate`,
      body: {
        valueInputOption: 'RAW',
        data: [
          { range: "'People'!A2:C2", majorDimension: 'ROWS', values: [[null, null, 1]] },
          { range: "'People'!A4:C4", majorDimension: 'ROWS', values: [['Z', null, 2]] },
        ],
      },
    })
    await expect(
      call('update_multiple_rows', {
        ...people,
        rows: [
          { row_number: 5, values: ['Y'] },
          { row_number: 500, values: ['Y'] },
        ],
      }),
    ).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' })
    expect(tabIn('book', 0).rows[4]?.[0]).toBe('Person 4')
  })

  it('delete_row counts from 1 where Google counts from 0', async () => {
    expect(await call('delete_row', { ...people, row_number: 2 })).toEqual({ row_number: 2, deleted: true })
    expect(sent().body).toEqual({
      requests: [{ deleteDimension: { range: { sheetId: 0, dimension: 'ROWS', startIndex: 1, endIndex: 2 } } }],
    })
    expect(tabIn('book', 0).rows[1]?.[0]).toBe('Person 2')
    await expect(call('delete_row', { ...people, row_number: 100 })).rejects.toMatchObject({
      message: expect.stringContaining("Cannot delete a row that doesn't exist"),
    })
  })

  it('clears a tab, or what is below its header', async () => {
    expect(await call('clear_sheet', { ...people, keep_header: true })).toEqual({ cleared_range: 'People!A2:H100' })
    expect(sent()).toMatchObject({ line: `POST ${V4}/values/'People'!2:100:clear`, body: {} })
    expect((await call('get_many_rows', { ...people, header_row: 1 })).rows).toEqual([])
    expect(await call('find_row_by_num', { ...people, row_number: 1 })).toMatchObject({
      values: ['Name', 'Email', 'Age', 'Member', 'Since'],
    })
    expect(await call('clear_sheet', people)).toEqual({ cleared_range: 'People!A1:H100' })
    expect(await call('clear_sheet', { spreadsheet_id: 'tiny', sheet_id: 0, keep_header: true, header_row: 2 })).toEqual({
      cleared_range: null,
    })
  })

  it.each([
    [{ ...people, column_name: 'City' }, { position: 6, column: 'F' }, [false, true]],
    [{ ...people, column_name: 'City', position: 1 }, { position: 1, column: 'A' }, [false]],
    [{ ...people, column_name: 'City', position: 3 }, { position: 3, column: 'C' }, [true]],
    [{ spreadsheet_id: 'tiny', sheet_id: 0, column_name: 'City' }, { position: 2, column: 'B' }, [true]],
    [{ ...titled, column_name: 'City 2' }, { position: 3, column: 'C' }, [true]],
  ])('create_column %j', async (input, answer, inherits) => {
    const row = (input as { header_row?: number }).header_row ?? 1
    const before = structuredClone(tabIn(input.spreadsheet_id, input.sheet_id).rows[row - 1] ?? [])
    expect(await call('create_column', input)).toEqual({ column_name: input.column_name, ...answer })
    expect(sent().body.requests[0].insertDimension).toEqual({
      range: { sheetId: input.sheet_id, dimension: 'COLUMNS', startIndex: answer.position - 1, endIndex: answer.position },
      inheritFromBefore: inherits.at(-1),
    })
    const after = tabIn(input.spreadsheet_id, input.sheet_id).rows[row - 1] ?? []
    expect(after).toEqual([...before.slice(0, answer.position - 1), input.column_name, ...before.slice(answer.position - 1)])
  })

  it('formats rows without touching other formats', async () => {
    const look = { background_color: '#ff0080', bold: false, text_color: '#000000' }
    expect(await call('format_row', { ...people, row_numbers: [1, 3], ...look })).toEqual({ row_numbers: [1, 3] })
    expect(sent().body.requests).toMatchObject([
      {
        repeatCell: {
          range: { sheetId: 0, startRowIndex: 0, endRowIndex: 1 },
          cell: {
            userEnteredFormat: {
              backgroundColorStyle: { rgbColor: { red: 1, green: 0, blue: 128 / 255 } },
              textFormat: { bold: false, foregroundColorStyle: { rgbColor: { red: 0, green: 0, blue: 0 } } },
            },
          },
          fields:
            'userEnteredFormat.backgroundColorStyle,userEnteredFormat.textFormat.bold,userEnteredFormat.textFormat.foregroundColorStyle',
        },
      },
      { repeatCell: { range: { startRowIndex: 2, endRowIndex: 3 } } },
    ])
    await call('format_row', { ...people, row_numbers: [1], bold: true })
    expect(sent().body.requests[0].repeatCell).toMatchObject({
      cell: { userEnteredFormat: { textFormat: { bold: true } } },
      fields: 'userEnteredFormat.textFormat.bold',
    })
  })
})

describe('what a refusal means', () => {
  it.each([
    ['get_rows', { spreadsheet_id: 'gone', sheet_id: 0 }, 'UPSTREAM_NOT_FOUND', /Requested entity was not found/],
    ['get_rows', { spreadsheet_id: 'book', sheet_id: 5 }, 'UPSTREAM_NOT_FOUND', /no tab with sheet_id 5/],
    ['get_rows', { spreadsheet_id: 'book', sheet_id: 11 }, 'INVALID_INPUT', /holds no rows/],
    ['get_rows', { spreadsheet_id: 'secret', sheet_id: 0 }, 'UPSTREAM_INVALID', /The caller does not have permission/],
    ['delete_row', { spreadsheet_id: 'book', sheet_id: 5, row_number: 1 }, 'UPSTREAM_INVALID', /No grid with id: 5/],
    ['delete_worksheet', { spreadsheet_id: 'other', sheet_id: 0 }, 'UPSTREAM_INVALID', /can't remove all the sheets/],
    ['rename_worksheet', { ...empty, new_title: 'People' }, 'UPSTREAM_INVALID', /already exists/],
    ['copy_worksheet', { ...people, destination_spreadsheet_id: 'gone' }, 'UPSTREAM_NOT_FOUND', /not found/],
    ['create_column', { ...people, column_name: 'a', position: 10 }, 'UPSTREAM_INVALID', /grid size/],
  ])('%s %j is %s', async (name, input, code, message) => {
    await expect(call(name, input)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it('a quota of the newer form is waited for, or handed back', async () => {
    stub.next({ kind: 'reply', reply: common.exhausted('7s') })
    const ctx = as(tokens.valid)
    await call('find_worksheet', { spreadsheet_id: 'book', title: '' }, ctx)
    expect(ctx.waits).toEqual([7000])
    stub.next({ kind: 'reply', reply: common.exhausted('7s') })
    await expect(call('delete_worksheet', empty)).rejects.toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', retryAfter: 7 })
  })

  it('an answer of another form is not taken for an empty sheet', async () => {
    stub.next({ kind: 'reply', reply: { status: 200, body: { sheets: 'none' } } })
    await expect(call('find_worksheet', { spreadsheet_id: 'book', title: '' })).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
  })
})

describe('repeats', () => {
  const changes = Object.entries(googleSheets.tools).filter(([, tool]) => tool.effect !== 'read')
  it.each(changes)('[connectors.no-double-write] %s is made again only where that does no harm', async (name, tool) => {
    const ctx = as(tokens.valid)
    const writes: string[] = []
    const fetch: typeof ctx.fetch = (url, init) => {
      if (init?.method !== 'GET' && writes.push(url) === 1) stub.next({ kind: 'reply', reply: { status: 503 } })
      return ctx.fetch(url, init)
    }
    const work = call(name, tool.example as object, { ...ctx, fetch })
    if (tool.repeatable) await work
    else await expect(work).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', details: { status: 503 } })
    expect(writes).toHaveLength(tool.repeatable ? 2 : 1)
  })
})

describe('scopes', () => {
  const auth = (name: string) => `https://www.googleapis.com/auth/${name}`
  const granted = {
    [lone.file]: 'drive.file',
    [lone.metadata]: 'drive.metadata.readonly',
    [lone.readonly]: 'drive.readonly',
    [lone.spreadsheets]: 'spreadsheets',
  }

  it.each(Object.keys(googleSheets.tools))('%s asks for no more and no less than Google does', async (name) => {
    const tool = toolOf(name)
    for (const [token, scope] of Object.entries(granted)) {
      stub.reset()
      const work = call(name, tool.example as object, as(token))
      if (missingScopes(tool, [auth(scope)]).length === 0) await work
      else await expect(work, scope).rejects.toMatchObject({ code: 'SCOPE_MISSING' })
    }
  })

  it('a folder of Drive needs a scope of Drive', async () => {
    await expect(call('create_spreadsheet', { title: 'a', folder_id: 'f-2026' }, as(lone.spreadsheets))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      details: { accepted_scopes: expect.arrayContaining([auth('drive.file')]) },
    })
  })

  it('names the least one when all are missing', () => {
    expect(missingScopes(toolOf('get_rows'), [])).toEqual([auth('spreadsheets.readonly')])
    expect(missingScopes(toolOf('insert_row'), [])).toEqual([auth('spreadsheets')])
    expect(missingScopes(toolOf('find_spreadsheets'), [])).toEqual([auth('drive.metadata.readonly')])
    expect(missingScopes(toolOf('create_spreadsheet'), [])).toEqual([auth('drive.file')])
  })
})

describe('input', () => {
  it.each(Object.keys(googleSheets.tools))('%s refuses what it does not know', (name) => {
    const { input, example } = toolOf(name)
    expect(input.safeParse({ ...(example as object), surprise: 1 }).error?.issues[0]).toMatchObject({
      code: 'unrecognized_keys',
      keys: ['surprise'],
    })
  })

  it.each([
    ['insert_row', { ...people }],
    ['insert_row', { ...people, values: [1], values_by_header: { Name: 1 } }],
    ['insert_row', { ...people, values: [] }],
    ['update_row', { ...people, row_number: 2, values_by_header: {} }],
    ['update_row', { ...people, row_number: 0, values: [1] }],
    ['update_row', { ...people, row_number: 2, values: [{}] }],
    ['update_multiple_rows', { ...people, rows: [{ row_number: 2 }] }],
    ['format_row', { ...people, row_numbers: [1] }],
    ['format_row', { ...people, row_numbers: [1], text_color: 'red' }],
    ['get_rows', { spreadsheet_id: 'book', sheet_id: 'People' }],
    ['get_rows', { spreadsheet_id: 'book', sheet_id: -1 }],
    ['get_rows', { ...people, limit: 5001 }],
  ])('%s refuses %j', (name, input) => {
    expect(toolOf(name).input.safeParse(input).success).toBe(false)
  })
})
