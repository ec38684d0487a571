/** argv → start, or everything else, which is faces/cli. */
import { flagTable, readCliConfig, readConfig, VERSION } from './config.ts'
import { FAULTS, Fault } from './base/errors.ts'
import { createLog } from './base/log.ts'
import { runCli } from './faces/cli.ts'
import type { Runtime } from './server.ts'

/** SIGTERM drains; a process that is still there after this is ended all the same. */
const DRAIN_LIMIT_MS = 29_000

const [command = 'help', ...args] = process.argv.slice(2)

// Whoever read our output may have gone (`| head`). A command ends then; the server goes on.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  if (command !== 'start') process.exit()
})

try {
  if (command === 'start' && (args.includes('--help') || args.includes('-h'))) {
    process.stdout.write('agentruntime start [flags]\n\nFlags, and the environment variables that say the same:\n')
    for (const f of flagTable()) process.stdout.write(`  ${f.flag.padEnd(20)} ${f.about}\n${' '.repeat(23)}env ${f.env}\n`)
  } else if (command === 'start') await start(args)
  else if (command === 'setup-link' && !args.includes('--help')) await setupLink(args)
  else if ((command === 'backup' || command === 'restore') && !args.includes('--help')) await keep(command, args)
  else {
    const { stdin, stdout, stderr } = process
    const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
    const settings = readCliConfig()
    process.exitCode = await runCli([command, ...args], { settings, version: VERSION, fetch, now: Date.now, wait, stdin, stdout, stderr })
  }
} catch (error) {
  complain(error)
}

async function start(argv: readonly string[]): Promise<void> {
  const config = readConfig(argv)
  const say = (line: string) => void (config.json ? process.stderr : process.stdout).write(`${line}\n`)
  // Only here: every other command would wait for rooms that it does not enter.
  const { startRuntime } = await import('./server.ts')
  const runtime = await startRuntime(config, { say })
  if (config.json)
    process.stdout.write(
      `${JSON.stringify({ event: 'ready', url: runtime.url, pid: process.pid, ...(runtime.setupLink ? { setup: runtime.setupLink } : {}) })}\n`,
    )
  else await greet(runtime, config, say)
  let ending = false
  const end = (signal: string) => {
    if (ending) return process.exit(1)
    ending = true
    if (!config.json) say(`${signal}: finishing what is in flight`)
    setTimeout(() => process.exit(1), DRAIN_LIMIT_MS).unref()
    runtime.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        complain(error)
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', () => end('SIGTERM'))
  process.on('SIGINT', () => end('SIGINT'))
}

/** By whoever may write to the data directory: that is the proof. */
async function setupLink(argv: readonly string[]): Promise<void> {
  const config = readConfig(argv)
  const { newSetupLink } = await import('./server.ts')
  const link = newSetupLink(config.dataDir)
  if (link === null)
    throw new Fault(
      'CONFLICT',
      `there is nothing to set up in ${config.dataDir}: there is an owner already, or no runtime was started there`,
    )
  process.stdout.write(`${link}\n`)
}

/** Backups are made and restored on the machine itself: whoever may read its data directory may do so. */
async function keep(what: 'backup' | 'restore', argv: readonly string[]): Promise<void> {
  const verify = what === 'backup' && argv[0] === 'verify'
  const flag = verify ? '--file' : what === 'backup' ? '--to' : '--from'
  const { value: file, rest } = taken(flag, verify ? argv.slice(1) : argv)
  const config = readConfig(rest)
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => stop.abort(new Fault('RUN_STOPPED', `${what} was stopped; nothing half-done is left`)))
  const { restoreBackup, verifyBackup, writeBackup } = await import('./backup/index.ts')
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  const doing = {
    version: VERSION,
    now: Date.now,
    log: createLog(config.logLevel === 'info' ? 'warn' : config.logLevel, 2),
    say,
    signal: stop.signal,
  }
  const held = verify
    ? await verifyBackup(config.rootKey, file, stop.signal)
    : what === 'backup'
      ? await writeBackup(config, file, doing)
      : await restoreBackup(config, file, new URL('../migrations/', import.meta.url), doing)
  const rows = Object.values(held.tables).reduce((sum, n) => sum + n, 0)
  const about = `${rows} rows in ${Object.keys(held.tables).length} tables and ${held.files} files, as of ${held.created_at}`
  const told = verify ? `${file} is whole: ${about}` : what === 'backup' ? `${file} holds ${about}` : `${config.dataDir} holds ${about}`
  process.stdout.write(config.json ? `${JSON.stringify(held)}\n` : `${told}\n`)
  if (!config.json && what === 'backup' && !verify)
    process.stderr.write('The root key is not inside. Keep it elsewhere: without it this opens nothing.\n')
  if (!config.json && what === 'restore')
    process.stderr.write(
      'Start it; what was under way then waits until an owner says that the original is no more: agentruntime oauth confirm-original\n',
    )
}

/** One flag that `start` does not know, and the rest. */
function taken(flag: string, argv: readonly string[]): { value: string; rest: string[] } {
  const at = argv.findIndex((word) => word === flag || word.startsWith(`${flag}=`))
  const word = argv[at]
  const value = word === flag ? argv[at + 1] : word?.slice(flag.length + 1)
  if (!value || value.startsWith('--'))
    throw new Fault('INVALID_INPUT', `${flag} FILE is missing`, { hint: 'agentruntime help backup, or help restore.' })
  return { value, rest: [...argv.slice(0, at), ...argv.slice(at + (word === flag ? 2 : 1))] }
}

async function greet(runtime: Runtime, config: ReturnType<typeof readConfig>, say: (line: string) => void): Promise<void> {
  say(`AgentRuntime ${VERSION} listens on ${runtime.url}  (API: ${runtime.url}/docs)`)
  if (runtime.setupLink) say(`Setup  ${runtime.setupLink}  (once, for 30 minutes; a new one: agentruntime setup-link)`)
  if (runtime.sealed) say(`The vault is sealed: ${runtime.sealed}. Nothing can be decrypted until it opens; see ${runtime.url}/readyz`)
  else if (config.rootKey.kind === 'file' && runtime.fresh)
    say(`Back up the root key ${config.rootKey.path} now: without it nothing that is stored can be read again.`)
  if (runtime.demoRunId) say(await demoStory(runtime))
  if (config.ownerPatFile) say(`A token of the owner is in ${config.ownerPatFile}`)
  else say('For a token: start with --owner-pat-file FILE')
}

/** Waits for the demo's run, for a moment: it takes some milliseconds. */
async function demoStory({ rooms, demoRunId }: Runtime): Promise<string> {
  const { owner } = await rooms.access.founding()
  const scope = { workspace: owner.workspace, project: owner.project }
  for (let i = 0; i < 100; i++) {
    const run = await rooms.db.tx(scope, (tx) => rooms.runs.summary(tx, demoRunId as string))
    if (run.status === 'completed') {
      const { steps } = await rooms.db.tx(scope, (tx) => rooms.runs.context(tx, demoRunId as string))
      const result = steps.label?.result as { rows?: { headline?: string }[] } | undefined
      return `The demo workflow "Daily sales" has run (${run.run_id}): ${result?.rows?.[0]?.headline ?? 'completed'}.`
    }
    if (run.status === 'failed') return `The demo workflow failed: ${run.failure?.message}`
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return `The demo workflow is running: ${demoRunId}`
}

function complain(error: unknown): void {
  const fault = error instanceof Fault ? error : null
  const json = args.includes('--json')
  const message = fault?.message ?? (error as Error).message
  if (json)
    process.stderr.write(`${JSON.stringify({ event: 'error', code: fault?.code ?? 'INTERNAL', error: message, hint: fault?.hint })}\n`)
  else process.stderr.write(`${message}\n${fault?.hint ? `${fault.hint}\n` : ''}`)
  process.exitCode = fault ? FAULTS[fault.code].exit : 1
  if (!fault) process.stderr.write(`${(error as Error).stack ?? ''}\n`)
}
