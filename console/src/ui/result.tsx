import { Json } from './parts.tsx'

interface Rows {
  columns: { name: string }[] | string[]
  rows: Record<string, unknown>[]
}
const isRows = (value: unknown): value is Rows => {
  const it = value as Partial<Rows> | null
  return it !== null && typeof it === 'object' && Array.isArray(it.rows) && Array.isArray(it.columns)
}
const shown = (value: unknown): string => (value === null ? '—' : typeof value === 'object' ? JSON.stringify(value) : String(value))

/** Numbers stand under the end of their title. */
const numeric = (rows: Rows['rows'], column: string): boolean =>
  rows.length > 0 && rows.every((row) => typeof row[column] === 'number' || row[column] === null)

/** What a tool gave back: rows as a table, everything else as it is. */
export function Result({ value, label }: { value: unknown; label: string }) {
  if (!isRows(value)) return <Json value={value} />
  const columns = value.columns.map((c) => (typeof c === 'string' ? c : c.name))
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no mouse must be able to scroll it
    <section tabIndex={0} aria-label={label} className="max-h-96 overflow-auto rounded-md border border-line">
      <table className="w-full text-sm">
        <thead>
          <tr className="border-b border-line bg-surface-2">
            {columns.map((c) => (
              <th
                key={c}
                scope="col"
                className={`h-8 px-3 text-xs font-medium text-ink-2 ${numeric(value.rows, c) ? 'text-end' : 'text-start'}`}
              >
                {c}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {value.rows.map((row, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rows of a result have no other name
            <tr key={i} className="border-b border-line last:border-0">
              {columns.map((c) => (
                <td key={c} className={`h-8 px-3 tabular-nums ${typeof row[c] === 'number' ? 'text-end' : ''}`}>
                  {shown(row[c])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
