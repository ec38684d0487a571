/** One part, in a process of its own: what one has warmed up or left behind does not meet the next. */
import { latency, throughput } from './calls.ts'
import { consolePages } from './console.ts'
import { lists } from './lists.ts'
import { renewals } from './renewals.ts'
import { redaction } from './redact.ts'
import type { Figure } from './report.ts'
import { rewrapped } from './rewrap.ts'
import { runsPerSecond } from './runs.ts'
import type { Options } from './stage.ts'
import { warmStart } from './warm.ts'

const PARTS: Record<string, (options: Options) => Promise<Figure[]>> = {
  a: latency,
  b: throughput,
  c: runsPerSecond,
  d: warmStart,
  e: rewrapped,
  f: lists,
  g: renewals,
  h: consolePages,
  i: redaction,
}

const [part = '', options = '{}'] = process.argv.slice(2)
const measure = PARTS[part]
if (!measure) throw new Error(`there is no part ${part}`)
process.send?.(await measure(JSON.parse(options)))
process.disconnect()
