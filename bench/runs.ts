/** (c) Runs from start to completed, with all their events, records and audit entries. */
import pg from 'pg'
import { type Figure, median } from './report.ts'
import { generator, inProcess, type Options, openStage, outfit, ownProcess, pause, type Stage } from './stage.ts'

/** Starts under way at once. */
const WIDTH = 16

export async function runsPerSecond(options: Options): Promise<Figure[]> {
  const stage = await openStage(options)
  try {
    return [...(await floors(stage)), ...(await withinProcess(stage)), ...(await throughHttp(stage))]
  } finally {
    await stage.close()
  }
}

let floor = { name: 'plain INSERTs, one transaction each', value: 0, unit: '/s' as const }

/** What PostgreSQL gives: one row, one commit, one sync of the log, as many at once as starts. */
async function floors(stage: Stage): Promise<Figure[]> {
  await stage.sql('create table bench_floor (id bigint generated always as identity primary key, note text not null)')
  const pool = new pg.Pool({ ...stage.connection, max: WIDTH })
  pool.on('error', () => undefined)
  const insert = () =>
    pool.query({ name: 'floor', text: 'insert into bench_floor (note) values ($1)', values: ['about as long as the data of an event is'] })
  const alone: number[] = []
  for (let i = 0; i < 500; i++) {
    const began = performance.now()
    await insert()
    alone.push(performance.now() - began)
  }
  const rounds: number[] = []
  for (let round = 0; round < 3; round++) {
    let left = stage.options.quick ? 4_000 : 20_000
    const began = performance.now()
    const worker = async () => {
      while (left-- > 0) await insert()
    }
    const count = left
    await Promise.all(Array.from({ length: WIDTH }, worker))
    rounds.push((count / (performance.now() - began)) * 1000)
  }
  await pool.end()
  floor = { ...floor, value: median(rounds) }
  return [
    { part: 'c', name: `plain INSERTs, ${WIDTH} at once`, value: floor.value, unit: '/s' },
    { part: 'c', name: 'one plain INSERT', value: median(alone), unit: 'ms' },
  ]
}

async function withinProcess(stage: Stage): Promise<Figure[]> {
  const { runtime, call } = await inProcess(stage)
  try {
    const { one, three } = await outfit(stage, call)
    const start = async (id: string) => (await call('runs.command', { id, command: 'start' })).run_id as string
    const many = async (id: string, count: number) => {
      let left = count
      const worker = async () => {
        while (left-- > 0) await start(id)
      }
      await Promise.all(Array.from({ length: WIDTH }, worker))
    }
    await measure(stage, one, 200, many)
    const single = await oneAtATime(stage, () => start(one))
    return [
      { part: 'c', name: 'one run of one step, from start to completed', value: single, unit: 'ms', target: { most: 15 } },
      { part: 'c', name: 'runs of one step, in process', value: await rounds(stage, one, many), unit: '/s', target: { least: 300 }, floor },
      {
        part: 'c',
        name: 'runs of three steps, in process',
        value: await rounds(stage, three, many),
        unit: '/s',
        target: { least: 150 },
        floor,
      },
    ]
  } finally {
    await runtime.stop()
  }
}

async function throughHttp(stage: Stage): Promise<Figure[]> {
  const runtime = await ownProcess(stage.options, stage.flags)
  const load = generator()
  try {
    const { one, three } = await outfit(stage, runtime.call)
    const many = async (id: string, count: number) => {
      const { failed } = await load.run({
        kind: 'load',
        target: runtime.target('runs.command', { id, command: 'start' }),
        width: WIDTH,
        count,
      })
      if (failed > 0) throw new Error(`${failed} starts failed`)
    }
    await measure(stage, one, 200, many)
    return [
      {
        part: 'c',
        name: 'runs of one step, through HTTP',
        value: await rounds(stage, one, many),
        unit: '/s',
        target: { least: 300 },
        floor,
      },
      {
        part: 'c',
        name: 'runs of three steps, through HTTP',
        value: await rounds(stage, three, many),
        unit: '/s',
        target: { least: 150 },
        floor,
      },
    ]
  } finally {
    load.close()
    await runtime.stop()
  }
}

type Many = (workflowId: string, count: number) => Promise<void>

async function rounds(stage: Stage, workflowId: string, many: Many): Promise<number> {
  const got: number[] = []
  for (let round = 0; round < (stage.options.quick ? 1 : 3); round++)
    got.push(await measure(stage, workflowId, stage.options.quick ? 600 : 2000, many))
  return median(got)
}

/** From the first start until the database says that the last one has completed; then everything that must be there is counted. */
async function measure(stage: Stage, workflowId: string, count: number, many: Many): Promise<number> {
  const before = await written(stage, workflowId)
  const began = performance.now()
  await many(workflowId, count)
  for (;;) {
    const [row] = await stage.sql(`select count(*)::int as n from runs where workflow_id = $1 and status = 'completed'`, [workflowId])
    if (Number(row?.n) >= before.completed + count) break
    if (performance.now() - began > 300_000) throw new Error('the runs do not end')
    await pause(20)
  }
  const perSecond = (count / (performance.now() - began)) * 1000
  const after = await written(stage, workflowId)
  const steps = after.steps / after.completed
  const due = { events: count * (2 + 2 * steps), calls: count * steps, audit: count }
  for (const what of ['events', 'calls', 'audit'] as const)
    if (after[what] - before[what] !== due[what]) throw new Error(`${after[what] - before[what]} ${what} were written, not ${due[what]}`)
  return perSecond
}

async function written(stage: Stage, workflowId: string) {
  const [row] = await stage.sql(
    `select (select count(*)::int from runs where workflow_id = $1 and status = 'completed') as completed,
      (select count(*)::int from run_steps join runs on id = run_id where workflow_id = $1) as steps,
      (select count(*)::int from run_events join runs on id = run_id where workflow_id = $1) as events,
      (select count(*)::int from tool_calls c join runs r on r.id = c.run_id where workflow_id = $1) as calls,
      (select count(*)::int from audit_entries a join runs r on r.id = a.target where workflow_id = $1) as audit`,
    [workflowId],
  )
  return row as unknown as { completed: number; steps: number; events: number; calls: number; audit: number }
}

/** Alone on the machine; a connection of ours asks the database again and again, which costs it a fraction of a millisecond. */
async function oneAtATime(stage: Stage, start: () => Promise<string>): Promise<number> {
  const took: number[] = []
  for (let i = 0; i < (stage.options.quick ? 50 : 200); i++) {
    const began = performance.now()
    const id = await start()
    for (;;) {
      const [row] = await stage.sql('select status from runs where id = $1', [id])
      if (String(row?.status) === 'completed') break
    }
    took.push(performance.now() - began)
  }
  return median(took)
}
