/** (i) What it costs that everything is searched for all secrets that were opened: calls with bodies of 100 kB, and the searching by itself. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { jsonOf } from '../src/faces/last-look.ts'
import { createRedactor } from '../src/vault/index.ts'
import { type Figure, median } from './report.ts'
import { generator, KEY, type Options, openStage, outfit, ownProcess } from './stage.ts'

const LIVE = 1_000
const ARGS = { method: 'GET', path: '/large' }
/** As in part b. */
const WIDTH = 32
/** Connections that are made and used at once while the secrets are opened. */
const AT_ONCE = 16

export async function redaction(options: Options): Promise<Figure[]> {
  const load = generator()
  const few = await station(options, 0)
  const many = await station(options, LIVE)
  try {
    const body = Buffer.from(await (await fetch(`${few.stage.upstream}/large`, { headers: few.direct })).arrayBuffer())
    // Counted by the time of the processor: what else the machine does meets that least.
    const rounds = { few: [] as number[], many: [] as number[] }
    for (let round = -1; round < (options.quick ? 2 : 5); round++)
      for (const [name, { target, runtime }] of [
        ['few', few],
        ['many', many],
      ] as const) {
        const seconds = options.quick ? 2 : 5
        const began = processorTime(runtime.child.pid as number)
        const { perSecond, failed } = await load.run({ kind: 'load', target, width: WIDTH, seconds })
        if (failed > 0) throw new Error(`${failed} calls failed`)
        if (round >= 0) rounds[name].push((perSecond * seconds) / (processorTime(runtime.child.pid as number) - began))
      }
    const floor = { name: 'the same with one', value: median(rounds.few), unit: '/s' as const }
    const served = median(rounds.many)
    const [none, all] = [searching(body, 0), searching(body, LIVE)]
    return [
      {
        part: 'i',
        name: `calls with ${Math.round(body.length / 1000)} kB bodies per second of the processor, ${LIVE} live secrets, of those with one`,
        value: (served / floor.value) * 100,
        unit: '%',
        target: { least: 95 },
        floor,
      },
      { part: 'i', name: `such calls with ${LIVE} live secrets`, value: served, unit: '/s', floor },
      {
        part: 'i',
        name: `searching in such a call (answer, result, what leaves), of its time`,
        value: ((all.call - none.call) / (1000 / served)) * 100,
        unit: '%',
        target: { most: 5 },
      },
      {
        part: 'i',
        name: `a body searched for ${LIVE} secrets`,
        value: all.body,
        unit: 'ms',
        floor: { name: 'for none', value: none.body },
      },
    ]
  } finally {
    load.close()
    for (const { runtime, stage } of [few, many]) {
      await runtime.stop()
      await stage.close()
    }
  }
}

/** A runtime that has opened so many secrets beside the one of its connection. */
async function station(options: Options, live: number) {
  const stage = await openStage(options)
  const runtime = await ownProcess(options, stage.flags)
  const { call } = runtime
  const { instanceId } = await outfit(stage, call)
  for (let made = 0; made < live; made += AT_ONCE)
    await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, i) => {
        const api_key = `sk_live_${made + i}_${randomBytes(24).toString('base64url')}`
        const { id } = await call('connections.create', {
          display_name: `live ${made + i}`,
          provider: 'http',
          service: 'bearer',
          credentials: { api_key },
        })
        const it = await call('instances.create', { slug: 'http', connection_id: id, config: { base_url: stage.upstream } })
        // The upstream refuses the key, which opens it all the same.
        await call('tools.call', { id: it.id, tool: 'http_request', args: ARGS }).catch(() => undefined)
      }),
    )
  return {
    stage,
    runtime,
    direct: { authorization: `Bearer ${KEY}` },
    target: runtime.target('tools.call', { id: instanceId, tool: 'http_request', args: ARGS }),
  }
}

/** Seconds that a process has had of the processor, as Linux tells it in hundredths. */
function processorTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number)
  return ((user ?? 0) + (system ?? 0)) / 100
}

/** Milliseconds of the processor, for a body and for all that a call is searched for. */
function searching(body: Buffer, live: number): { body: number; call: number } {
  const redactor = createRedactor({ now: Date.now })
  for (let i = 0; i < live; i++)
    redactor.learn({ workspace: 'ws', owner: `conn_${i}`, version: 1 }, [`sk_live_${i}_${randomBytes(24).toString('base64url')}`])
  const clean = redactor.of('ws')
  const result: unknown = JSON.parse(body.toString())
  // The JSON of the answer is made with or without us.
  const answer = () => JSON.stringify(result)
  const times = (work: () => unknown): number => {
    const rounds = 2_000
    for (let i = 0; i < rounds; i++) work()
    const began = process.cpuUsage()
    for (let i = 0; i < rounds; i++) work()
    const { user, system } = process.cpuUsage(began)
    return (user + system) / 1000 / rounds
  }
  const searched = times(() => clean.body(body))
  return { body: searched, call: searched + times(() => clean.json(result)) + times(() => jsonOf(result, clean)) - times(answer) }
}
