/** A1 notation (Sheets API, "Cell"): how a part of a tab is written. */

/** A tab's title in quotes, which every title may have and some need; an apostrophe is doubled. */
export const quotedTitle = (title: string): string => `'${title.replaceAll("'", "''")}'`

/** `'Sheet one'!2:10`: whole rows, counted from 1. */
export const rowsOf = (title: string, first: number, last = first): string => `${quotedTitle(title)}!${first}:${last}`

/** `'Sheet one'!B2:D2`: cells of one row, columns counted from 0. */
export const cellsOf = (title: string, row: number, from: number, to: number): string =>
  `${quotedTitle(title)}!${letters(from)}${row}:${letters(to)}${row}`

/** 0 → A, 25 → Z, 26 → AA. */
export function letters(column: number): string {
  const rest = String.fromCharCode(65 + (column % 26))
  return column < 26 ? rest : letters(Math.floor(column / 26) - 1) + rest
}

/** The row of the first cell of a range such as `'It''s!'!A7:C9`; null where it names none. */
export function firstRow(range: string): number | null {
  const found = /^[A-Z]+(\d+)/.exec(range.slice(range.lastIndexOf('!') + 1))
  return found === null ? null : Number(found[1])
}
