/**
 * Makes a clone ready to run: packages as locked, Node 24 where it is older, dist/ as built from src/. Plain JavaScript without
 * dependencies, because it runs before there are any, on Node 20 or newer. When nothing changed it only compares hashes.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = realpathSync(join(dirname(fileURLToPath(import.meta.url)), '..'))

/** The Node that is brought along where the one at hand is older. */
const NODE_VERSION = '24.21.0'
const NODE_MAJOR = 24

const at = (...path) => join(root, ...path)
const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '')
const sha256 = (text) => createHash('sha256').update(text).digest('hex')

/** A failure that is told as one sentence. */
export class Sentence extends Error {}

/**
 * @param {{ quiet?: boolean, build?: 'all' | 'console' }} options quiet: no progress lines; build: dist/ of both (the default), or of
 *   the Console alone, for whoever runs the server from its sources
 * @returns {Promise<{ node: string, root: string }>} the path of a Node that is new enough, and the repository
 */
export async function prepare({ quiet = false, build = 'all' } = {}) {
  const say = quiet ? () => undefined : (line) => process.stderr.write(`${line}\n`)
  const [node] = await Promise.all([bringNode(say), installPackages(say)])
  await buildStale(node, say, build)
  return { node, root }
}

async function bringNode(say) {
  if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR) return process.execPath
  const prefix = at('.node24')
  const packageDir = join(prefix, 'node_modules', 'node')
  const node = join(packageDir, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  const marker = join(prefix, '.agentruntime-node')
  if (read(marker) === NODE_VERSION && existsSync(node)) return node
  say(`fetching Node ${NODE_VERSION} (this is ${process.version}) …`)
  mkdirSync(prefix, { recursive: true })
  // npm asks for the approval of install scripts by name; this package's script puts the binary in its place.
  writeFileSync(join(prefix, 'package.json'), `${JSON.stringify({ private: true, allowScripts: { node: true } })}\n`)
  const got = await npm(['install', '--prefix', prefix, '--no-save', '--no-package-lock', `node@${NODE_VERSION}`])
  const answer = got.code === 0 ? await run(node, ['--version']) : got
  if (answer.code !== 0 || answer.output.trim() !== `v${NODE_VERSION}`)
    throw new Sentence(
      `Node ${NODE_VERSION} could not be fetched (${lastWords(answer)}): install Node 24 from https://nodejs.org and try again.`,
    )
  writeFileSync(marker, NODE_VERSION)
  return node
}

async function installPackages(say) {
  const marker = at('node_modules', '.agentruntime-lock')
  const wanted = sha256(read(at('package-lock.json')))
  if (read(marker) === wanted) return
  if (!installedAsLocked()) {
    say('installing packages as locked …')
    const got = await npm(['ci', '--include=dev', '--include=optional'])
    if (got.code !== 0)
      throw new Sentence(`the packages could not be installed (${lastWords(got)}): check the network and the npm registry, and try again.`)
  }
  writeFileSync(marker, wanted)
}

/** Whether an `npm ci` or `npm install` by hand already did it: npm's own record of what lies there agrees with the lock file. */
function installedAsLocked() {
  const record = read(at('node_modules', '.package-lock.json'))
  if (!record) return false
  const there = JSON.parse(record).packages
  const locked = JSON.parse(read(at('package-lock.json'))).packages
  const same = (path) => locked[path]?.version === there[path]?.version && locked[path]?.integrity === there[path]?.integrity
  return (
    Object.keys(there).every((path) => same(path) && (there[path].link || existsSync(at(path)))) &&
    Object.keys(locked).every((path) => path === '' || !path.includes('node_modules/') || path in there || locked[path].optional)
  )
}

/** dist/ from src/, and console/dist/ from console/ and the operations in src/, each where what it is made from has changed. */
async function buildStale(node, say, build) {
  const sources = filesBelow(at('src'))
  const server = [...sources, at('tsconfig.json'), at('tsconfig.build.json'), at('package-lock.json')]
  const page = [...filesBelow(at('console', 'src')), ...['index.html', 'package.json', 'vite.config.ts'].map((file) => at('console', file))]
  const stale = [
    { marker: at('dist', '.agentruntime-build'), inputs: server, made: at('dist', 'main.js'), build: () => buildServer(node, sources) },
    {
      console: true,
      marker: at('console', 'dist', '.agentruntime-build'),
      inputs: [...server, ...page],
      made: at('console', 'dist', 'index.html'),
      build: () => buildConsole(node),
    },
  ]
    .map((it) => ({ ...it, wanted: hashOf(it.inputs) }))
    .filter((it) => build === 'all' || it.console)
    .filter(({ marker, wanted, made }) => read(marker) !== wanted || !existsSync(made))
  if (stale.length > 0) say('building …')
  await Promise.all(
    stale.map(async ({ marker, wanted, build }) => {
      rmSync(marker, { force: true })
      await build()
      writeFileSync(marker, wanted)
    }),
  )
}

function hashOf(paths) {
  const hash = createHash('sha256')
  for (const path of paths) hash.update(path.slice(root.length)).update('\0').update(readFileSync(path)).update('\0')
  return hash.digest('hex')
}

async function mustBuild(built) {
  const { code, output } = await built
  if (code === 0) return
  process.stderr.write(output)
  throw new Sentence('the build failed: correct the errors above and try again.')
}

const buildConsole = (node) =>
  mustBuild(
    run(node, [at('node_modules', 'vite', 'bin', 'vite.js'), 'build', '--configLoader', 'native', '--logLevel', 'warn'], {
      cwd: at('console'),
      env: withPath(node),
    }),
  )

async function buildServer(node, sources) {
  await mustBuild(run(node, [at('node_modules', 'typescript', 'bin', 'tsc'), '-p', at('tsconfig.build.json'), '--pretty', 'false']))
  // What a deleted source left behind would still be found by code that reads a directory.
  const kept = new Set(sources.map((path) => at('dist', path.slice(at('src').length + 1).replace(/\.(m?)ts$/, '.$1js'))))
  for (const path of filesBelow(at('dist'))) if (/\.m?js(\.map)?$/.test(path) && !kept.has(path.replace(/\.map$/, ''))) rmSync(path)
  for (const path of sources.filter((path) => !/\.m?ts$/.test(path))) {
    const to = at('dist', path.slice(at('src').length + 1))
    mkdirSync(dirname(to), { recursive: true })
    writeFileSync(to, readFileSync(path))
  }
}

function filesBelow(dir) {
  return readdirSync(dir, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(dir, entry.name)) : [join(dir, entry.name)]))
    .sort()
}

/** The npm that started us, else the one on the path. */
function npm(args) {
  // Short pauses between tries: who is offline should hear it in seconds, not after npm's two minutes.
  const retries = ['--fetch-retries=3', '--fetch-retry-mintimeout=500', '--fetch-retry-maxtimeout=4000']
  const all = [...args, ...retries, '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error']
  const started = process.env.npm_execpath ?? ''
  if (basename(started).startsWith('npm-cli')) return run(process.execPath, [started, ...all])
  return process.platform === 'win32' ? run('npm.cmd', all, { shell: true }) : run('npm', all)
}

/** Runs a program in the repository and keeps what it says. */
function run(program, args, options = {}) {
  return new Promise((resolve) => {
    let output = ''
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options })
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (output += chunk))
    child.on('error', (error) => resolve({ code: 127, output: `${program}: ${error.message}` }))
    child.on('close', (code, signal) => resolve({ code: code ?? 1, output: signal ? `${output}\nended by ${signal}` : output }))
  })
}

/** The line of npm's output that says what went wrong: not its code, not the path of its log. */
function lastWords({ output }) {
  const lines = output
    .split('\n')
    .map((line) => line.replace(/^npm (error|ERR!)\s*/, '').trim())
    .filter((line) => line && !/^(code|errno|syscall|path|A complete log|ended$)/.test(line))
  return (lines[0] ?? 'no reason given').replace(/[.:]$/, '').replace(/\/\/[^/@\s]*@/g, '//')
}

/**
 * Runs a program that takes our place: our terminal, our signals, our end. Where nothing stands between (Node is new enough) the
 * callers import the program instead.
 * @returns {Promise<number>} its exit code; 128 + n when signal n ended it
 */
export function stepAside(node, args) {
  // When we are killed outright the pipe closes, and scripts/follow.mjs ends the program too.
  const child = spawn(node, ['--import', new URL('./follow.mjs', import.meta.url).href, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: withPath(node),
  })
  child.stdio[3].on('error', () => undefined)
  // A terminal sends its interrupt to the child as well; a second one would mean "at once".
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => (signal === 'SIGINT' && terminal ? undefined : child.kill(signal)))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? 128 + (SIGNAL_NUMBERS[signal] ?? 1)))
  })
}
const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }

/** Programs started below find the same Node first. */
export const withPath = (node) => ({ ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` })

/** Runs dist/main.js with these arguments, in this process where its Node is new enough. */
export async function runMain(node, args) {
  const main = at('dist', 'main.js')
  if (node !== process.execPath) {
    process.exitCode = await stepAside(node, [main, ...args])
    return
  }
  process.argv = [node, main, ...args]
  await import(new URL(`file://${main}`).href)
}

/** Runs a script's work; a `Sentence` becomes one line and exit code 1, anything else is a defect and keeps its stack. */
export async function script(work) {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof Sentence)) throw error
    process.stderr.write(`agentruntime: ${error.message}\n`)
    process.exitCode = 1
  }
}
