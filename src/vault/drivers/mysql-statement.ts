/**
 * One statement as a prepared one: it is one by the protocol itself, and its values are never part of its text. Rows are counted while
 * they arrive. The few statements that cannot be prepared go as text, if they have no values; still one at a time, because the
 * session never asked for more (CLIENT_MULTI_STATEMENTS).
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase_ps.html
 */
import type { EventEmitter } from 'node:events'
import type { ResultSetHeader } from 'mysql2'
import { Fault } from '../../base/errors.ts'
import { collectRows, type Rows } from './caps.ts'
import type { Backend } from './mysql-connect.ts'
import { type Field, toJson, toParameter, typeName } from './mysql-values.ts'
import type { SqlResult } from './session.ts'

/** "This command is not supported in the prepared statement protocol yet". */
const NOT_PREPARABLE = 1295

export interface Answered extends SqlResult {
  /** Rows that the statement touched, as the server says. */
  touched: number
}

export interface StatementOptions {
  text: string
  args: readonly unknown[]
  /** Most rows that come back. */
  rows: number
  /** The text was judged to be a query, which answers rows. */
  query: boolean
  /** The offset of the session's time zone, where it is known. */
  zone: string | null
  /** Called once when no more rows fit, so that a reader can hang up instead of listening to the rest. */
  onFull?: () => void
}

/** Rejects with the server's error as mysql2 gives it, or with a Fault. */
export async function runStatement(backend: Backend, options: StatementOptions): Promise<Answered> {
  const { text, args } = options
  let prepared: Prepared
  try {
    prepared = await prepare(backend, text)
  } catch (error) {
    if ((error as { errno?: number }).errno !== NOT_PREPARABLE || args.length > 0) throw error
    return listen(backend, options, () => backend.connection.query(text))
  }
  // The server's own reading of the text: what answers no columns is no query, whatever its words looked like.
  if (options.query && prepared.columns.length === 0) throw new Fault('TOOL_REFUSED', 'the server does not read this statement as a query')
  return listen(backend, options, () => prepared.execute(args.map(toParameter)))
}

interface Prepared {
  columns: unknown[]
  execute(values: unknown[]): unknown
}

const prepare = (backend: Backend, text: string): Promise<Prepared> =>
  new Promise((resolve, reject) => {
    backend.connection.prepare(text, (error, prepared) => (error ? reject(error) : resolve(prepared as unknown as Prepared)))
  })

function listen(backend: Backend, options: StatementOptions, start: () => unknown): Promise<Answered> {
  return new Promise((resolve, reject) => {
    let rows: Rows | undefined
    let fields: Field[] = []
    let touched = 0
    // A procedure answers several times: its first rows are taken.
    let sets = 0
    const answer = (): Answered => ({ ...(rows ?? collectRows([], 0)).result(), touched })
    const lost = (error: unknown) => finish(() => reject(error))
    const finish = (end: () => void) => {
      backend.connection.off('error', lost)
      end()
    }
    // A dead session tells nobody but the connection.
    backend.connection.on('error', lost)
    const command = start() as EventEmitter
    command.on('error', lost)
    command.on('fields', (said: Field[] | undefined) => {
      if (said === undefined || ++sets > 1) return
      fields = said
      rows = collectRows(
        fields.map((field) => ({ name: field.name, type: typeName(field) })),
        options.rows,
      )
    })
    command.on('result', (row: unknown[] | ResultSetHeader) => {
      if (!Array.isArray(row)) touched += row.affectedRows
      else if (rows && sets === 1 && !rows.full) {
        let size = 0
        const cells = row.map((cell, i) => {
          const told = toJson(cell, fields[i]!, options.zone)
          if (told.cut) rows?.cut()
          size += told.size
          return told.value
        })
        if (!rows.add(cells, size) && options.onFull) {
          const full = options.onFull
          finish(() => resolve(answer()))
          full()
        }
      }
    })
    command.on('end', () => finish(() => resolve(answer())))
  })
}
