/**
 * `npm run bench`: measures this machine's figures, each next to a floor from the same run.
 *   --only a,c   these parts    --quick   fewer rounds    --json   the JSON instead of the table
 *   --src        the sources as they lie instead of the build    --node-arg=X --self-arg=X   for the Node of the runtime,
 *   and of the parts that run it in process (profiling)
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Figure, machine, met, ratio, table } from './report.ts'
import { type Options, openStage } from './stage.ts'

const PARTS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    src: { type: 'boolean', default: false },
    'self-arg': { type: 'string', multiple: true, default: [] },
    'node-arg': { type: 'string', multiple: true, default: [] },
  },
})
const root = join(import.meta.dirname, '..')
const results = join(import.meta.dirname, 'results')
const options: Options = {
  quick: values.quick,
  main: join(root, values.src ? 'src/main.ts' : 'dist/main.js'),
  nodeArgs: values['node-arg'],
}
const wanted = (values.only?.split(',') ?? PARTS).map((part) => part.trim())
const unknown = wanted.filter((part) => !PARTS.includes(part))
if (unknown.length > 0) {
  process.stderr.write(`there is no part ${unknown.join(', ')}: a to i\n`)
  process.exit(64)
}

mkdirSync(results, { recursive: true, mode: 0o711 })
const stage = await openStage(options)
const on = machine(stage.postgres)
await stage.close()
const figures: Figure[] = []
for (const part of wanted) {
  process.stderr.write(`measuring ${part} …\n`)
  const child = fork(join(import.meta.dirname, 'part.ts'), [part, JSON.stringify(options)], { execArgv: values['self-arg'] })
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`part ${part} ended with ${code}`)))
  ended.catch(() => undefined)
  const [found] = (await Promise.race([once(child, 'message'), ended])) as [Figure[]]
  figures.push(...found)
}
const at = new Date().toISOString()
const report = { at, machine: on, quick: values.quick, figures: figures.map((f) => ({ ...f, ratio: ratio(f), met: met(f) })) }
const file = join(results, `${at.replaceAll(':', '-').slice(0, 19)}.json`)
writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : `\n${table(figures, on)}\n`)
process.stderr.write(`\nwritten to ${file}\n`)
