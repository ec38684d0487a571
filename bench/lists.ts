/** (f) Pages of the list of runs, with 200,000 of them in the table. */
import { newId } from '../src/base/ids.ts'
import { type Figure, median } from './report.ts'
import { generator, type Options, openStage, outfit, ownProcess, type Stage } from './stage.ts'

const RUNS = 200_000
const DAY_MS = 86_400_000

export async function lists(options: Options): Promise<Figure[]> {
  const stage = await openStage(options)
  const runtime = await ownProcess(options, stage.flags)
  const load = generator()
  try {
    const { one, three } = await outfit(stage, runtime.call)
    await fill(stage, one)
    const [middle] = await stage.sql('select id from runs order by id offset $1 limit 1', [RUNS / 2])
    const cursor = Buffer.from(String(middle?.id)).toString('base64url')
    const pages: [string, string, Record<string, unknown>][] = [
      ['first page', 'runs.list', {}],
      ['first page of a rare status (0.1 %)', 'runs.list', { status: 'failed' }],
      ['first page of a status that no run has', 'runs.list', { status: 'paused' }],
      ['page in the middle', 'runs.list', { cursor }],
      ['page in the middle, of the common status', 'runs.list', { cursor, status: 'completed' }],
      ['first page of a trigger that no run has', 'runs.list', { trigger: 'cron' }],
      ['first page of one day in the middle', 'runs.list', { since: day(50), until: day(49) }],
      ['first page of a workflow, rare status', 'runs.list_of_workflow', { id: one, status: 'failed' }],
      ['first page of a workflow without runs', 'runs.list_of_workflow', { id: three }],
      ['first page of the audit log, as long', 'audit.list', {}],
    ]
    const floor = { name: 'SELECT of 50 rows by primary key, from here', value: await plain(stage) }
    const figures: Figure[] = []
    for (const [name, operation, input] of pages) {
      const { p50 } = await load.run({
        kind: 'latency',
        targets: [runtime.target(operation, input)],
        count: options.quick ? 30 : 150,
        warmup: 10,
      })
      figures.push({ part: 'f', name: `${RUNS / 1000}k runs: ${name}`, value: p50[0] ?? 0, unit: 'ms', target: { most: 20 }, floor })
    }
    return figures
  } finally {
    load.close()
    await runtime.stop()
    await stage.close()
  }
}

const day = (ago: number) => new Date(Date.now() - ago * DAY_MS).toISOString()

/** A hundred days of runs, with ids as the runtime would have made them then. */
async function fill(stage: Stage, workflowId: string): Promise<void> {
  const [project] = await stage.sql('select id, workspace_id from projects')
  const began = Date.now() - 100 * DAY_MS
  const chunk = 10_000
  for (let n = 0; n < RUNS; n += chunk) {
    const at = Array.from({ length: chunk }, (_, i) => began + Math.floor(((n + i) / RUNS) * 100 * DAY_MS))
    await stage.sql(
      `insert into runs (id, workspace_id, project_id, workflow_id, version, environment, trigger, started_by, status, input, last_seq, fence, created_at, started_at, finished_at, failure)
       select x.id, $3, $4, $5, 1, 'production', 'api', 'bench', case when x.n % 1000 = 0 then 'failed' else 'completed' end, '{"order": 4711, "note": "as small as most inputs are"}', 4, 1,
         x.at, x.at, x.at + interval '40 ms', case when x.n % 1000 = 0 then '{"code": "UPSTREAM_ERROR", "message": "the service broke off"}'::jsonb end
       from unnest($1::text[], $2::timestamptz[]) with ordinality as x(id, at, n)`,
      [at.map(idAt), at.map((ms) => new Date(ms).toISOString()), project?.workspace_id, project?.id, workflowId],
    )
  }
  await stage.sql(
    `insert into audit_entries select $1, 1000 + n, now(), 'bench', 'run.commanded', 'run_' || n, $2, '{"as": "long", "as": "an entry of a start usually is, with its request and its actor"}', ''
     from generate_series(1, $3::int) as n`,
    [project?.workspace_id, project?.id, RUNS],
  )
  await stage.sql('analyze')
}

/** `newId` never goes back in time: the time is written over its first ten characters. */
function idAt(ms: number): string {
  const digits = '0123456789abcdefghjkmnpqrstvwxyz'
  let time = ''
  // The layout has 130 bits of text for 128 of content: the time fills the first 48 of those.
  let bits = BigInt(ms) << 80n
  bits |= BigInt(`0x${Buffer.from(newId('x').slice(-12)).toString('hex').slice(0, 20)}`)
  for (let i = 0; i < 26; i++) {
    time = digits[Number(bits & 31n)] + time
    bits >>= 5n
  }
  return `run_${time}`
}

async function plain(stage: Stage): Promise<number> {
  const ids = (await stage.sql('select id from runs order by id limit 50')).map((r) => r.id)
  const took: number[] = []
  for (let i = 0; i < 200; i++) {
    const began = performance.now()
    await stage.sql('select * from runs where id = any($1)', [ids])
    took.push(performance.now() - began)
  }
  return median(took)
}
