/** The load generator, in a process of its own. One job at a time comes as a message, its outcome goes back as one. */
import { Pool } from 'undici'
import { quantile } from './report.ts'

export interface Target {
  url: string
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body?: string
}
/** `latency`: the targets by turns, one request at a time. `count`: so many requests, `width` at a time. `seconds`: for so long. */
export type Job =
  | { kind: 'latency'; targets: Target[]; count: number; warmup: number }
  | { kind: 'load'; target: Target; width: number; count?: number; seconds?: number }
/** Milliseconds and requests per second. */
export interface Outcome {
  p50: number[]
  p95: number[]
  perSecond: number
  count: number
  failed: number
  startedAt: number
}

process.on('message', (job: Job) => {
  const work = job.kind === 'latency' ? byTurns(job) : load(job)
  work.then(
    (outcome) => process.send?.(outcome),
    (error: Error) => process.send?.({ error: error.stack ?? error.message }),
  )
})
process.on('disconnect', () => process.exit(0))

async function byTurns({ targets, count, warmup }: Extract<Job, { kind: 'latency' }>): Promise<Outcome> {
  const took: number[][] = targets.map(() => [])
  const startedAt = Date.now()
  for (let i = -warmup; i < count; i++)
    for (const [n, { url, method, headers, body }] of targets.entries()) {
      const began = performance.now()
      const answer = await fetch(url, { method, headers, body: body ?? null })
      const text = await answer.text()
      if (i >= 0) took[n]?.push(performance.now() - began)
      if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${text.slice(0, 300)}`)
    }
  return { p50: took.map((t) => quantile(t, 0.5)), p95: took.map((t) => quantile(t, 0.95)), perSecond: 0, count, failed: 0, startedAt }
}

async function load({ target, width, count = Number.POSITIVE_INFINITY, seconds = 600 }: Extract<Job, { kind: 'load' }>): Promise<Outcome> {
  const { origin, pathname, search } = new URL(target.url)
  const pool = new Pool(origin, { connections: width, pipelining: 1 })
  const took: number[] = []
  let left = count
  let failed = 0
  const startedAt = Date.now()
  const began = performance.now()
  const end = began + seconds * 1000
  async function worker(): Promise<void> {
    while (left-- > 0 && performance.now() < end) {
      const at = performance.now()
      const answer = await pool.request({
        path: pathname + search,
        method: target.method,
        headers: target.headers,
        body: target.body ?? null,
      })
      await answer.body.text()
      took.push(performance.now() - at)
      if (answer.statusCode >= 400) failed++
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  const ms = performance.now() - began
  await pool.close()
  return {
    p50: [quantile(took, 0.5)],
    p95: [quantile(took, 0.95)],
    perSecond: (took.length / ms) * 1000,
    count: took.length,
    failed,
    startedAt,
  }
}
