/**
 * Asks the parser thread about a statement. A thread of its own because some tens of kilobytes of nested SQL overflow the
 * parser's stack and leave its memory damaged for whoever comes next (measured: nested subqueries from 2,500 deep): then the
 * thread is thrown away and the statement refused, and nobody else notices.
 */
import { Worker } from 'node:worker_threads'
import { Fault } from '../../base/errors.ts'
import { MAX_SQL_LENGTH } from './caps.ts'
import type { Mode } from './postgres-fence.ts'
import type { Answer, Question } from './postgres-parser-thread.ts'

/** 100 KB of SQL parses in under 100 ms; a thread that says nothing for this long is stuck. */
const ANSWER_MS = 5000
/** A question is asked again when its thread went down over somebody else's statement. */
const TRIES = 3

export interface Parser {
  /**
   * Resolves when the statement may run. Faults: TOOL_REFUSED (what it is and why not), UPSTREAM_INVALID (not SQL),
   * INVALID_INPUT (characters that cannot be sent, too long).
   */
  check(sql: string, mode: Mode): Promise<void>
  close(): Promise<void>
}

export function createParser(): Parser {
  let thread: Worker | undefined
  let last = 0
  const waiting = new Map<number, (answer: Answer | undefined) => void>()

  const discard = () => {
    const old = thread
    thread = undefined
    for (const tell of [...waiting.values()]) tell(undefined)
    return old?.terminate()
  }

  const start = () => {
    const file = import.meta.url.endsWith('.ts') ? './postgres-parser-thread.ts' : './postgres-parser-thread.js'
    // An empty environment: the thread needs nothing of ours.
    const made = new Worker(new URL(file, import.meta.url), { env: {}, execArgv: [] })
    made.on('message', (answer: Answer) => {
      waiting.get(answer.id)?.(answer)
      if ('broken' in answer && made === thread) void discard()
    })
    made.on('error', () => made === thread && discard())
    made.on('exit', () => made === thread && discard())
    made.unref()
    return made
  }

  function ask(sql: string, mode: Mode): Promise<Answer | undefined> {
    thread ??= start()
    const asked = thread
    const id = ++last
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        if (asked === thread) void discard()
      }, ANSWER_MS)
      waiting.set(id, (answer) => {
        clearTimeout(timer)
        waiting.delete(id)
        resolve(answer)
      })
      asked.postMessage({ id, sql, mode } satisfies Question)
    })
  }

  return {
    async check(sql, mode) {
      if (sql.length > MAX_SQL_LENGTH) throw new Fault('INVALID_INPUT', `the statement is longer than ${MAX_SQL_LENGTH} characters`)
      if (sql.trim() === '') throw new Fault('UPSTREAM_INVALID', 'the statement is empty')
      // The parser and the server must read the very same bytes: a NUL ends the text for one of them, half a surrogate pair
      // becomes different bytes in each.
      if (sql.includes('\0') || !sql.isWellFormed()) throw new Fault('INVALID_INPUT', 'the statement holds characters that are not text')
      let answer: Answer | undefined
      for (let tries = 0; answer === undefined && tries < TRIES; tries++) answer = await ask(sql, mode)
      if (answer === undefined || 'broken' in answer) {
        throw new Fault('TOOL_REFUSED', 'the statement is nested too deeply to be judged', { hint: 'Write it flatter, or in parts.' })
      }
      if ('syntax' in answer) throw new Fault('UPSTREAM_INVALID', `the statement is not valid SQL: ${answer.syntax}`)
      if (!answer.verdict.ok) {
        throw new Fault(
          'TOOL_REFUSED',
          `${mode === 'read' ? 'this tool only reads' : 'this tool refuses the statement'}: ${answer.verdict.why}`,
        )
      }
    },
    async close() {
      await discard()
    },
  }
}
