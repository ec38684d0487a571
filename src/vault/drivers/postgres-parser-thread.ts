/** The thread's side of postgres-parser.ts: PostgreSQL's parser (WebAssembly) and the judge. It holds no secret and does no input or output. */
import { parentPort } from 'node:worker_threads'
import { loadModule, parseSync, SqlError } from 'libpg-query'
import { judge, type Mode, type Verdict } from './postgres-fence.ts'

export interface Question {
  id: number
  sql: string
  mode: Mode
}
/** `syntax`: not SQL at all. `broken`: the parser gave up in a way that may have damaged its memory. */
export type Answer = { id: number } & ({ verdict: Verdict } | { syntax: string } | { broken: true })

await loadModule()
let broken = false
parentPort!.on('message', ({ id, sql, mode }: Question) => {
  // Nothing that a damaged parser says may count: the other side starts a new thread and asks again.
  if (broken) return
  const said = answer(sql, mode)
  broken = 'broken' in said
  parentPort!.postMessage({ id, ...said } satisfies Answer)
})

function answer(sql: string, mode: Mode): { verdict: Verdict } | { syntax: string } | { broken: true } {
  try {
    return { verdict: judge(parseSync(sql) as Parameters<typeof judge>[0], mode) }
  } catch (error) {
    return error instanceof SqlError ? { syntax: error.message } : { broken: true }
  }
}
