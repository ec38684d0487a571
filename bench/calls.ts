/** (a) What a tool call adds to a `fetch` with the key, and (b) how many of them one process serves. */
import { type Figure, median, quantile } from './report.ts'
import { ARGS, generator, helper, inProcess, KEY, type Options, openStage, outfit, ownProcess, type Stage } from './stage.ts'

const DIRECT = { headers: { authorization: `Bearer ${KEY}` } }

export async function latency(options: Options): Promise<Figure[]> {
  const stage = await openStage(options)
  try {
    return [...(await withinProcess(stage)), ...(await throughHttp(stage))]
  } finally {
    await stage.close()
  }
}

/** By turns in one process: what else the machine does meets both alike. */
async function withinProcess(stage: Stage): Promise<Figure[]> {
  const { runtime, call } = await inProcess(stage)
  try {
    const { instanceId } = await outfit(stage, call)
    const { owner } = await runtime.rooms.access.founding()
    const { signal } = new AbortController()
    const request = {
      scope: { workspace: owner.workspace, project: owner.project },
      actor: 'bench',
      instanceId,
      tool: 'http_request',
      args: ARGS,
      environment: 'production',
      key: 'bench',
      signal,
    }
    const direct = async () => void (await (await fetch(`${stage.upstream}/items`, DIRECT)).json())
    const ways = {
      direct,
      attempt: async () => {
        const outcome = await runtime.rooms.tools.attempt(request)
        if (!outcome.ok) throw outcome.fault
      },
      call: async () => void (await runtime.rooms.tools.call(request)),
      writing: async () => void (await runtime.rooms.tools.call({ ...request, args: { ...ARGS, method: 'POST' } })),
    }
    const took = { direct: [] as number[], attempt: [] as number[], call: [] as number[], writing: [] as number[] }
    const count = stage.options.quick ? 500 : 4000
    for (let i = -500; i < count; i++)
      for (const way of ['direct', 'attempt', 'call', 'writing'] as const) {
        const began = performance.now()
        await ways[way]()
        if (i >= 0) took[way].push(performance.now() - began)
      }
    const floor = { name: 'fetch with the key', value: median(took.direct), unit: 'ms' as const }
    return [
      {
        part: 'a',
        name: 'a call (tools.attempt) in process, added to the floor',
        value: median(took.attempt) - floor.value,
        unit: 'ms',
        target: { most: 0.5 },
        floor,
      },
      {
        part: 'a',
        name: 'a call with its record (tools.call) in process, added',
        value: median(took.call) - floor.value,
        unit: 'ms',
        target: { most: 0.5 },
        floor,
      },
      {
        part: 'a',
        name: 'the same, p95 less p95 of the floor',
        value: quantile(took.call, 0.95) - quantile(took.direct, 0.95),
        unit: 'ms',
        floor: { ...floor, value: quantile(took.direct, 0.95) },
      },
      {
        part: 'a',
        name: 'a call that writes, answered once its record is stored, added',
        value: median(took.writing) - floor.value,
        unit: 'ms',
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
    const { instanceId } = await outfit(stage, runtime.call)
    const ours = runtime.target('tools.call', { id: instanceId, tool: 'http_request', args: ARGS })
    const direct = { url: `${stage.upstream}/items`, method: 'GET' as const, ...DIRECT }
    const { p50, p95 } = await load.run({ kind: 'latency', targets: [direct, ours], count: stage.options.quick ? 500 : 4000, warmup: 500 })
    const [floor = 0, through = 0] = p50
    return [
      {
        part: 'a',
        name: 'a call through HTTP, added to the floor',
        value: through - floor,
        unit: 'ms',
        target: { most: 1.5 },
        floor: { name: 'fetch with the key', value: floor },
      },
      {
        part: 'a',
        name: 'the same, p95 less p95 of the floor',
        value: (p95[1] ?? 0) - (p95[0] ?? 0),
        unit: 'ms',
        floor: { name: 'fetch with the key', value: p95[0] ?? 0 },
      },
    ]
  } finally {
    load.close()
    await runtime.stop()
  }
}

/** Requests under way at once: enough to keep one process busy, few enough that queueing says nothing. */
const WIDTH = 32

export async function throughput(options: Options): Promise<Figure[]> {
  const stage = await openStage(options)
  const load = generator()
  const bare = await helper('bare.ts', [`${stage.upstream}/items`, KEY])
  const runtime = await ownProcess(options, stage.flags)
  try {
    const { instanceId } = await outfit(stage, runtime.call)
    const ours = runtime.target('tools.call', { id: instanceId, tool: 'http_request', args: ARGS })
    const floorTarget = { ...ours, url: `${bare.url}/call` }
    const rounds = { ours: [] as number[], floor: [] as number[] }
    const seconds = options.quick ? 2 : 5
    for (let round = -1; round < (options.quick ? 2 : 5); round++)
      for (const [name, target] of [
        ['floor', floorTarget],
        ['ours', ours],
      ] as const) {
        const { perSecond, failed } = await load.run({ kind: 'load', target, width: WIDTH, seconds })
        if (failed > 0) throw new Error(`${failed} calls failed`)
        if (round >= 0) rounds[name].push(perSecond)
      }
    const floor = { name: 'a bare Hono route with the same fetch', value: median(rounds.floor), unit: '/s' as const }
    const value = median(rounds.ours)
    return [
      {
        part: 'b',
        name: 'calls through HTTP, of what the floor serves',
        value: (value / floor.value) * 100,
        unit: '%',
        target: { least: 40 },
        floor,
      },
      { part: 'b', name: 'calls through HTTP', value, unit: '/s', floor },
    ]
  } finally {
    load.close()
    bare.child.disconnect()
    await runtime.stop()
    await stage.close()
  }
}
