import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { byName, columnNames } from './sheets-columns.ts'
import { csvOf, rowsOfCsv } from './sheets-csv.ts'
import { cellsOf, firstRow, letters, quotedTitle } from './sheets-range.ts'

describe('A1 notation', () => {
  it.each([
    [0, 'A'],
    [25, 'Z'],
    [26, 'AA'],
    [51, 'AZ'],
    [701, 'ZZ'],
    [702, 'AAA'],
    [18_277, 'ZZZ'],
  ])('column %i is %s', (column, name) => {
    expect(letters(column)).toBe(name)
  })

  it('quotes every title', () => {
    expect(quotedTitle('People')).toBe("'People'")
    expect(quotedTitle("It's 'Q1'!A1")).toBe("'It''s ''Q1''!A1'")
    expect(cellsOf("It's", 7, 1, 27)).toBe("'It''s'!B7:AB7")
  })

  it.each([
    ["'It''s!'!A7:C9", 7],
    ['People!AB12', 12],
    ['B3:C4', 3],
    ['People!A:C', null],
  ])('%s begins in row %s', (range, row) => {
    expect(firstRow(range)).toBe(row)
  })
})

describe('columns by name', () => {
  it('each has exactly one name', () => {
    expect(columnNames(['Name', '', 'Name', ' Age ', 'B'])).toEqual(['Name', 'B', 'C', 'Age', 'E'])
    expect(columnNames(['B', ''])).toEqual(['B', 'column B'])
    expect(byName(['a', 'b'], [1])).toEqual({ a: 1, b: '' })
    expect(byName(['a'], [1, 2])).toEqual({ a: 1, B: 2 })
    expect(Object.keys(byName(['__proto__'], ['x']))).toEqual(['__proto__'])
  })

  it('whatever the header is, names differ', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('', ' ', 'A', 'B', 'C', 'column B', 'column C', 'x')), (header) => {
        const names = columnNames(header)
        expect(new Set(names).size).toBe(header.length)
      }),
    )
  })
})

describe('CSV', () => {
  it('comes back as it went', () => {
    const cell = fc.oneof(fc.string(), fc.constantFrom('a"b', 'a,b', 'a\r\nb', '"', ',', '\n'))
    fc.assert(
      fc.property(fc.array(fc.array(cell, { minLength: 2, maxLength: 4 })), (rows) => {
        expect(rowsOfCsv(csvOf(rows, ','))).toEqual(rows)
      }),
    )
  })

  it.each([
    [
      'a,b\n1,2',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    [
      'a,b\r\n\r\n1,\r\n',
      [
        ['a', 'b'],
        ['1', ''],
      ],
    ],
    ['"a ""b""",c', [['a "b"', 'c']]],
    ['', []],
    ['"a', null],
    ['"a"b', null],
    ['a"b', null],
  ])('%j', (text, rows) => {
    expect(rowsOfCsv(text)).toEqual(rows)
  })

  it('a long text is no trouble', () => {
    const cell = `${'x""'.repeat(300_000)}`
    expect(rowsOfCsv(`a,b\n1,"${cell}"`)?.[1]?.[1]?.length).toBe(600_000)
  })
})
