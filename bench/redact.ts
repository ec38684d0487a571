/** (i) What it costs that everything is searched for all secrets that were opened: calls with bodies of 100 kB, and the searching by itself. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRedactor } from '../src/vault/index.ts'
import { type Figure, median } from './report.ts'
import { generator, KEY, type Options, openStage, outfit, ownProcess } from './stage.ts'

const LIVE = 1_000
const ARGS = { method: 'GET', path: '/large' }
/** As in part b. */
const WIDTH = 32
/** Connections that are made and used at once while the secrets are opened. */
const AT_ONCE = 16
/** In one round: long enough for a clock that ticks in microseconds, and for the compiler. */
const SEARCHES = 2_000

export async function redaction(options: Options): Promise<Figure[]> {
  const load = generator()
  const few = await station(options, 0)
  const many = await station(options, LIVE)
  try {
    const body = Buffer.from(await (await fetch(`${few.stage.upstream}/large`, { headers: few.direct })).arrayBuffer())
    // Counted by the time of the processor, and by turns: what else the machine does meets them alike.
    const pid = (of: typeof few) => of.runtime.child.pid as number
    const [searchNone, searchAll] = [searching(body, 0), searching(body, LIVE)]
    const rounds = {
      few: [] as number[],
      many: [] as number[],
      none: [] as number[],
      all: [] as number[],
      share: [] as number[],
      kept: [] as number[],
    }
    for (let round = -1; round < (options.quick ? 3 : 7); round++) {
      const perCpuSecond = async (of: typeof few): Promise<number> => {
        const seconds = options.quick ? 2 : 5
        const began = processorTime(pid(of))
        const { perSecond, failed } = await load.run({ kind: 'load', target: of.target, width: WIDTH, seconds })
        if (failed > 0) throw new Error(`${failed} calls failed`)
        return (perSecond * seconds) / (processorTime(pid(of)) - began)
      }
      const [withOne, withAll, none, all] = [await perCpuSecond(few), await perCpuSecond(many), searchNone(), searchAll()]
      if (round < 0) continue
      rounds.few.push(withOne)
      rounds.many.push(withAll)
      rounds.none.push(none.body)
      rounds.all.push(all.body)
      rounds.kept.push((withAll / withOne) * 100)
      rounds.share.push(((all.call - none.call) / (1000 / withAll)) * 100)
    }
    const floor = { name: 'the same with one', value: median(rounds.few), unit: '/s' as const }
    const served = median(rounds.many)
    return [
      {
        part: 'i',
        name: `calls with ${Math.round(body.length / 1000)} kB bodies per second of the processor, ${LIVE} live secrets, of those with one`,
        value: median(rounds.kept),
        unit: '%',
        target: { least: 95 },
        floor,
      },
      { part: 'i', name: `such calls with ${LIVE} live secrets`, value: served, unit: '/s', floor },
      {
        part: 'i',
        name: `searching in such a call (answer, result, what leaves), of its time`,
        value: median(rounds.share),
        unit: '%',
        target: { most: 5 },
      },
      {
        part: 'i',
        name: `a body searched for ${LIVE} secrets`,
        value: median(rounds.all),
        unit: 'ms',
        floor: { name: 'for none', value: median(rounds.none) },
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

/**
 * A runtime with many connections, of which so many have been opened beside its own. It is started anew before, and is called as often with few
 * as with many: otherwise what their making has left behind in memory would be counted as the cost of searching.
 */
async function station(options: Options, live: number) {
  const stage = await openStage(options)
  const maker = await ownProcess(options, stage.flags)
  const { instanceId } = await outfit(stage, maker.call)
  const instances: string[] = []
  await inTurns(async (i) => {
    const api_key = `sk_live_${i}_${randomBytes(24).toString('base64url')}`
    const { id } = await maker.call('connections.create', {
      display_name: `live ${i}`,
      provider: 'http',
      service: 'bearer',
      credentials: { api_key },
    })
    const it = await maker.call('instances.create', { slug: 'http', connection_id: id, config: { base_url: stage.upstream } })
    instances.push(it.id as string)
  })
  await maker.stop()
  const runtime = await ownProcess(options, stage.flags)
  // The upstream refuses these keys, which opens them all the same.
  await inTurns((i) =>
    runtime.call('tools.call', { id: instances[i % Math.max(live, 1)], tool: 'http_request', args: ARGS }).catch(() => undefined),
  )
  return {
    stage,
    runtime,
    direct: { authorization: `Bearer ${KEY}` },
    target: runtime.target('tools.call', { id: instanceId, tool: 'http_request', args: ARGS }),
  }
}
async function inTurns(work: (i: number) => Promise<unknown>): Promise<void> {
  for (let done = 0; done < LIVE; done += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => work(done + i)))
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

/** What searching adds to a call: milliseconds of the processor for its answer, its result and what leaves. */
function searching(body: Buffer, live: number): () => { body: number; call: number } {
  const redactor = createRedactor({ now: Date.now })
  for (let i = 0; i < live; i++)
    redactor.learn({ workspace: 'ws', owner: `conn_${i}`, version: 1 }, [`sk_live_${i}_${randomBytes(24).toString('base64url')}`])
  const { body: clean, answer } = redactor.inUse('ws', { workspace: 'ws', owner: 'conn_0', version: 1 })
  const { written } = redactor.of('ws')
  const result: unknown = JSON.parse(body.toString())
  const times = (work: () => unknown): number => {
    const began = process.cpuUsage()
    for (let i = 0; i < SEARCHES; i++) work()
    const { user, system } = process.cpuUsage(began)
    return (user + system) / 1000 / SEARCHES
  }
  return () => {
    const searched = times(() => clean(body))
    // It has to be written with or without us.
    const plain = times(() => JSON.stringify({ result }))
    return { body: searched, call: searched + times(() => written({ result: answer(result) })) - plain }
  }
}
