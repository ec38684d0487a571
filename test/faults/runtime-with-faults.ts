/**
 * The runtime as src/main.ts starts it, with fault points that do harm. The product itself has no way to switch one on.
 * Besides the flags of `start`: --faults=[Harm…], --times={…} and --rate={…} of inbound webhooks, all JSON, and --look=MS between two
 * rounds of the keeper.
 */
import { readConfig } from '../../src/config.ts'
import { type Deps, startRuntime } from '../../src/server.ts'
import type { Harm } from './kit.ts'

const given = (name: string): string | undefined => process.argv.find((a) => a.startsWith(`--${name}=`))?.slice(name.length + 3)
const [, ...flags] = process.argv.slice(2).filter((a) => !/^--(faults|times|look|rate)=/.test(a))
const harms = JSON.parse(given('faults') ?? '[]') as Harm[]
const passes = harms.map(() => 0)

const fault: Deps['fault'] = (point, about) => {
  for (const [i, harm] of harms.entries()) {
    if (harm.point !== point || (harm.run !== undefined && harm.run !== about)) continue
    passes[i] = (passes[i] as number) + 1
    if (harm.pass !== 'every' && harm.pass !== passes[i]) continue
    if (harm.act === 'throw') throw new Error(`fault at ${point}`)
    process.kill(process.pid, 'SIGKILL')
    return new Promise(() => undefined) // what is being killed gets no further than this
  }
}

const config = readConfig(flags)
const times = given('times')
const look = given('look')
const rate = given('rate')
const say = (line: string) => void process.stderr.write(`${line}\n`)
const runtime = await startRuntime(config, {
  say,
  fault,
  ...(times ? { times: JSON.parse(times) } : {}),
  ...(rate ? { rate: JSON.parse(rate) } : {}),
  ...(look ? { lookEveryMs: Number(look) } : {}),
})
process.stdout.write(`${JSON.stringify({ event: 'ready', url: runtime.url, pid: process.pid })}\n`)
process.on('SIGTERM', () => void runtime.stop().then(() => process.exit(0)))
