/** One statement in a transaction of its own: judged by the server where it is somebody else's, then run, and its records taken in up to the caps. */
import type { Driver as Client, Result, Transaction } from 'neo4j-driver'
import { Fault } from '../../base/errors.ts'
import { collectRows } from './caps.ts'
import type { Mode } from './neo4j-fence.ts'
import { cellOf } from './neo4j-values.ts'
import type { GraphResult } from './session.ts'

/** Records that the server sends before it is asked for more. */
const FETCH_SIZE = 200

export interface Work {
  mode: Mode
  database: string
  /** Somebody else's statement: the server is asked what kind it is before it is run. */
  judged: boolean
  cypher: string
  /** As the client takes them (parametersOf). */
  parameters: Record<string, unknown>
  records: number
  timeoutMs: number
  /** Called when the changes are about to be committed. */
  committing?: () => void
}

/** Rejects with the client's own errors, or Faults. */
export async function transact(client: Client, work: Work): Promise<GraphResult> {
  const { mode, database, cypher, parameters, timeoutMs } = work
  const graph = client.session({ database, defaultAccessMode: mode === 'read' ? 'READ' : 'WRITE', fetchSize: FETCH_SIZE })
  try {
    const tx = await graph.beginTransaction({ timeout: timeoutMs })
    if (work.judged) judgeKind(mode, await kindOf(tx, cypher, parameters))
    const answer = await collect(tx.run(cypher, parameters), work)
    if (mode === 'read') await tx.rollback()
    else {
      work.committing?.()
      await tx.commit()
    }
    return answer
  } finally {
    // What is still open ends here, taken back.
    await graph.close().catch(() => undefined)
  }
}

/** The server's own word, without running anything: `r`, `w`, `rw`, or `s` for the schema (and for the server's administration). */
async function kindOf(tx: Transaction, cypher: string, parameters: Record<string, unknown>): Promise<string> {
  const { summary } = await tx.run(`EXPLAIN ${cypher}`, parameters)
  return summary.queryType
}

function judgeKind(mode: Mode, kind: string): void {
  if (mode === 'read' && kind !== 'r')
    throw new Fault('TOOL_REFUSED', 'the server says that this statement does more than read', { hint: 'Use neo4j_execute_write.' })
  if (!/^(r|w|rw|s)$/.test(kind)) throw new Fault('TOOL_REFUSED', 'the server does not say what kind of statement this is')
}

async function collect(result: Result, { mode, records }: Work): Promise<GraphResult> {
  const columns = await result.keys()
  const rows = collectRows(
    columns.map((name) => ({ name: String(name), type: null })),
    records,
  )
  for await (const record of result) {
    if (!rows.full) {
      const cells = columns.map((name) => cellOf(record.get(name)))
      if (cells.some(({ cut }) => cut)) rows.cut()
      rows.add(
        cells.map(({ cell }) => cell),
        cells.reduce((bytes, cell) => bytes + cell.bytes, 0),
      )
    }
    // A write goes on to its end; a read need not.
    if (rows.full && mode === 'read') break
  }
  const answer = rows.result()
  return {
    columns: answer.columns.map(({ name }) => name),
    records: answer.rows,
    truncated: answer.truncated,
    counters: mode === 'read' ? {} : changes((await result.summary()).counters.updates()),
  }
}

const changes = (updates: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(updates)
      .filter(([, count]) => count !== 0)
      .map(([name, count]) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), count]),
  )
