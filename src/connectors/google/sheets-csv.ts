/** RFC 4180: rows of cells as text, and back. */

/** Quotes where a cell would otherwise break the row. A tab-separated text is quoted by the same rule, as spreadsheets read it. */
export function csvOf(rows: readonly (readonly unknown[])[], separator: ',' | '\t'): string {
  const cell = (value: unknown) => {
    const text = String(value ?? '')
    return text.includes(separator) || /["\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  return rows.map((row) => `${row.map(cell).join(separator)}\r\n`).join('')
}

/** null: a quote is not closed, or something follows a closed one. Blank lines are no rows. */
export function rowsOfCsv(text: string): string[][] | null {
  const rows: string[][] = []
  let row: string[] = []
  // One cell and what ends it: a comma, a line break, or the end.
  const cell = /(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r?\n|$)/y
  while (cell.lastIndex < text.length || row.length > 0) {
    const found = cell.exec(text)
    if (found === null) return null
    row.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? '')
    if (found[3] === ',') continue
    if (row.length > 1 || row[0] !== '') rows.push(row)
    row = []
    if (found[3] === '') break
  }
  return rows
}
