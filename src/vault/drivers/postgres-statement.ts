/**
 * One statement over the extended protocol: Parse, Bind, Describe, Execute, Sync leave together, so that it is one statement by
 * the protocol itself and its values are never part of its text. Rows are counted while they arrive, not after.
 * pg's own query buffers every row, and pg-cursor does not hear the error of a deferred constraint (it comes after the last row).
 * https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
 */
import type pg from 'pg'
import { collectRows, MAX_CELL_BYTES, type Rows } from './caps.ts'
import { toJson, toParameter, typeName } from './postgres-values.ts'
import type { SqlResult } from './session.ts'

/** The parts of pg's connection that a statement speaks to. */
interface Wire {
  parse(q: { name: string; text: string; types: number[] }): void
  bind(q: { portal: string; statement: string; values: (string | null)[]; binary: boolean }): void
  describe(q: { type: 'P'; name: string }): void
  execute(q: { portal: string; rows: number }): void
  sync(): void
  sendCopyFail(message: string): void
}

interface Field {
  name: string
  dataTypeID: number
}

export interface Answered extends SqlResult {
  /** `INSERT`, `SELECT`, … as the server says it; empty when rows were left behind. */
  command: string
  /** Rows that the statement touched, as the server says. */
  touched: number
}

export interface StatementOptions {
  text: string
  args: readonly unknown[]
  /** Most rows that come back. */
  rows: number
  /** Reading: the server stops after these rows. A statement that changes data always runs to its end. */
  stopEarly: boolean
  /** Called once when no more rows fit, so that a reader can hang up instead of listening to the rest. */
  onFull?: () => void
}

/** Rejects with the server's error as pg gives it. */
export function runStatement(client: pg.Client, options: StatementOptions): Promise<Answered> {
  return new Promise((resolve, reject) => {
    let fields: Field[] = []
    let rows: Rows = collectRows([], options.rows)
    let tag = ''
    const answer = (): Answered => {
      // `INSERT 0 3`, `UPDATE 3`, `CREATE TABLE`.
      const [, command = '', touched = '0'] = /^([A-Z ]*?)(?: \d+(?= ))?(?: (\d+))?$/.exec(tag) ?? []
      return { ...rows.result(), command, touched: Number(touched) }
    }
    const submittable = {
      submit(wire: Wire) {
        wire.parse({ name: '', text: options.text, types: [] })
        wire.bind({ portal: '', statement: '', values: options.args.map(toParameter), binary: false })
        wire.describe({ type: 'P', name: '' })
        wire.execute({ portal: '', rows: options.stopEarly ? options.rows + 1 : 0 })
        wire.sync()
      },
      handleRowDescription(message: { fields: Field[] }) {
        fields = message.fields
        rows = collectRows(
          fields.map((f) => ({ name: f.name, type: typeName(f.dataTypeID) })),
          options.rows,
        )
      },
      handleDataRow(message: { fields: (string | null)[]; length: number }) {
        if (rows.full) return
        const cells = message.fields.map((text, i) => {
          const { value, cut } = toJson(text, fields[i]?.dataTypeID ?? 0)
          if (cut) rows.cut()
          return value
        })
        const size = message.fields.reduce((sum, text) => sum + Math.min(text?.length ?? 4, MAX_CELL_BYTES), 0)
        // One row past the limit tells that there are more; the server stops there by itself. Too many bytes, it does not.
        if (!rows.add(cells, size) && options.onFull && rows.result().row_count < options.rows) {
          resolve(answer())
          options.onFull()
        }
      },
      handlePortalSuspended() {},
      handleCommandComplete(message: { text: string }) {
        tag = message.text
      },
      handleEmptyQuery() {},
      handleCopyInResponse(wire: Wire) {
        wire.sendCopyFail('not here')
      },
      handleCopyData() {},
      // The server's error or a dead socket. pg itself waits for ReadyForQuery before it sends anything more.
      handleError: reject,
      handleReadyForQuery() {
        resolve(answer())
      },
    }
    client.query(submittable as unknown as pg.Submittable)
  })
}
