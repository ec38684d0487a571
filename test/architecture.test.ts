/** The map is tested: which room may import which, how long a file may be, who may read the environment, the network, the database. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { parseSync } from 'oxc-parser'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')

/** Room → what it may import. `room` means that room's door (index.ts); a path means that file. Down only; a new arrow is a decision. */
const MAY: Record<string, string[]> = {
  base: [],
  access: ['base/*'],
  vault: ['base/*'],
  connectors: ['base/*', 'vault'],
  connections: ['base/*', 'vault', 'connectors/contract.ts'],
  bindings: ['base/*', 'connectors/contract.ts'],
  tools: ['base/*', 'bindings', 'connections', 'connectors/contract.ts'],
  runs: ['base/*', 'tools'],
  triggers: ['base/*', 'runs', 'vault'],
  backup: ['base/*', 'vault'],
  operations: ['base/*', 'access', 'vault', 'bindings', 'connections', 'connectors/contract.ts', 'tools', 'runs', 'triggers'],
  faces: ['base/*', 'access', 'operations'],
  'clients.ts': ['base/*', 'vault'],
  'config.ts': ['base/*', 'vault', 'clients.ts'],
  'demo.ts': ['base/*', 'access', 'operations'],
  'listener.ts': ['base/*'],
  'main.ts': ['base/*', 'backup', 'config.ts', 'faces/*', 'server.ts'],
  'server.ts': ['*'],
}
const SOURCE_LINES = 300
const TEST_LINES = 600

/** Modules that reach the network or the system's database, and the only files that may import them. */
const GUARDED: Record<string, RegExp> = {
  undici: /^base\/(egress|exchange)\.ts$/,
  'node:tls': /^(base\/egress-proxy|vault\/drivers\/(postgres-connect|mysql-connect|firestore-line|mongodb-sockets))\.ts$/,
  'node:net':
    /^(base\/(addresses|egress|egress-doors|egress-proxy|names|postgres[\w-]*)|vault\/drivers\/(dsn|dsn-options|mongodb-sockets|mysql-connect|mysql-dsn|postgres-connect|redis-connect)|listener)\.ts$/,
  'node:http': /^(base\/egress-proxy|listener)\.ts$/,
  'node:https': /^$/,
  'node:dns': /^$/,
  'node:dns/promises': /^base\/names\.ts$/,
  'node:dgram': /^$/,
  pg: /^(base\/(db|hastened-pool|migrate|postgres[\w-]*)|vault\/drivers\/postgres[\w-]*|runs\/(index|engine)|backup\/rows|server)\.ts$/,
  'mysql2/promise': /^vault\/drivers\/mysql[\w-]*\.ts$/,
  mysql2: /^vault\/drivers\/mysql[\w-]*\.ts$/,
  mongodb: /^vault\/drivers\/mongodb[\w-]*\.ts$/,
  redis: /^vault\/drivers\/redis[\w-]*\.ts$/,
  'neo4j-driver': /^vault\/drivers\/neo4j[\w-]*\.ts$/,
  '@google-cloud/firestore': /^vault\/drivers\/firestore[\w-]*\.ts$/,
  '@grpc/grpc-js': /^vault\/drivers\/firestore[\w-]*\.ts$/,
  kysely: /^(base\/db|[\w-]+\/([a-z]+-)?rows)\.ts$/,
  '@modelcontextprotocol/server': /^faces\/([\w]+-)?mcp(-gate)?\.ts$/,
  '@dbos-inc/dbos-sdk': /^runs\/engine\.ts$/,
}

const filesOf = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((e) => e.isFile() && e.name.endsWith('.ts'))
    .map((e) => relative(root, join(e.parentPath, e.name)))
    .sort()

const isTest = (file: string) => /\.(test|stub)\.ts$/.test(file) || file.startsWith('test/')
const sources = filesOf('src').filter((f) => !isTest(f))
const text = (file: string) => readFileSync(join(root, file), 'utf8')
/** Without comments, so that prose about a thing is not taken for the thing. */
const code = (file: string): string => {
  const source = text(file)
  const { comments } = parseSync(file, source)
  let out = ''
  let from = 0
  for (const c of comments) {
    out += source.slice(from, c.start)
    from = c.end
  }
  return out + source.slice(from)
}

interface Import {
  from: string
  to: string
}
function importsOf(file: string, source = text(file)): Import[] {
  const { module } = parseSync(file, source)
  const names = [
    ...module.staticImports.map((i) => i.moduleRequest.value),
    ...module.staticExports.flatMap((e) => e.entries.map((x) => x.moduleRequest?.value)),
    ...module.dynamicImports.map((d) => /^['"`](.+)['"`]$/.exec(source.slice(d.moduleRequest.start, d.moduleRequest.end))?.[1]),
  ]
  return [...new Set(names.filter((n) => n !== undefined))].map((to) => ({ from: file, to }))
}

const roomOf = (file: string): string => file.split('/')[1] as string

/** What is wrong with an import, or null. Paths are relative to the repository. */
function refused({ from, to }: Import): string | null {
  const room = roomOf(from)
  const inside = from.replace(/^src\//, '')
  if (!to.startsWith('.')) {
    const guard = GUARDED[to]
    return guard && !guard.test(inside) ? `${from} imports ${to}` : null
  }
  const target = relative(root, resolve(root, dirname(from), to)).replace(/^src\//, '')
  const targetRoom = target.split('/')[0] as string
  if (targetRoom === room) {
    // A connector sees the contract and its own folder, never a neighbour.
    if (room !== 'connectors' || inside.split('/').length < 3) return null
    const own = target.startsWith(`${inside.split('/').slice(0, 2).join('/')}/`)
    return own || target === 'connectors/contract.ts' ? null : `${from} → ${target}`
  }
  if (room === 'connectors' && inside.split('/').length >= 3) return `${from} → ${target}`
  const allowed = (MAY[room] ?? []).some(
    (rule) =>
      rule === '*' || target === rule || target === `${rule}/index.ts` || (rule.endsWith('/*') && target.startsWith(rule.slice(0, -1))),
  )
  return allowed ? null : `${from} → ${target}`
}

describe('the map', () => {
  it('[house.arrows] holds: every import is an arrow of the table', () => {
    const imports = sources.flatMap((f) => importsOf(f))
    expect(imports.length).toBeGreaterThan(200)
    expect(imports.map(refused).filter(Boolean)).toEqual([])
  })

  it.each([
    ['src/tools/index.ts', "import { createVault } from '../vault/index.ts'"],
    ['src/tools/index.ts', "import '../vault/envelope.ts'"],
    ['src/runs/leg.ts', "await import('../connections/index.ts')"],
    ['src/connectors/github/index.ts', "import x from '../http/index.ts'"],
    ['src/connectors/github/index.ts', "import { x } from '../../base/errors.ts'"],
    ['src/connections/index.ts', "import { reveal } from '../vault/secret.ts'"],
    ['src/base/errors.ts', "export * from '../access/index.ts'"],
    ['src/faces/http.ts', "import { createRuns } from '../runs/index.ts'"],
    ['src/connections/connect.ts', "import { request } from 'node:https'"],
    ['src/tools/index.ts', "import { sql } from 'kysely'"],
    ['src/runs/leg.ts', "import { DBOS } from '@dbos-inc/dbos-sdk'"],
  ])('[house.arrows] would refuse in %s: %s', (file, line) => {
    const imports = importsOf(file, line)
    expect(imports).toHaveLength(1)
    expect(imports.map(refused)).not.toEqual([null])
  })

  it('[house.sizes] no source file is longer than 300 lines, no test longer than 600', () => {
    const lines = (f: string) => text(f).trimEnd().split('\n').length
    const pages = readdirSync(join(root, 'console/src'), { recursive: true, encoding: 'utf8' })
      .filter((f) => /\.tsx?$/.test(f))
      .map((f) => `console/src/${f}`)
    expect(pages.length).toBeGreaterThan(100)
    expect([...sources, ...pages].filter((f) => lines(f) > SOURCE_LINES).map((f) => `${f}: ${lines(f)}`)).toEqual([])
    const tests = [...filesOf('src').filter(isTest), ...filesOf('test'), ...filesOf('bench')]
    expect(tests.filter((f) => lines(f) > TEST_LINES).map((f) => `${f}: ${lines(f)}`)).toEqual([])
  })

  it('[house.light-start] no client of a database but our own is loaded before somebody uses it', () => {
    const reached = new Set<string>()
    const packages = new Set<string>()
    const visit = (file: string): void => {
      if (reached.has(file)) return
      reached.add(file)
      const source = text(file)
      const { module } = parseSync(file, source)
      const wanted = [
        ...module.staticImports.filter((i) => !i.entries.length || i.entries.some((e) => !e.isType)).map((i) => i.moduleRequest.value),
        ...module.staticExports.flatMap((e) => e.entries.filter((x) => !x.isType).map((x) => x.moduleRequest?.value)),
      ]
      for (const to of wanted)
        if (to?.startsWith('.') && to.endsWith('.ts')) visit(relative(root, resolve(root, dirname(file), to)))
        else if (to !== undefined && !to.startsWith('.') && !to.startsWith('node:')) packages.add(to)
    }
    visit('src/main.ts')
    visit('src/server.ts')
    for (const door of sources.filter((f) => /^src\/connectors\/[^/]+\/index\.ts$/.test(f))) visit(door)
    expect(packages).toContain('pg') // our own
    const clients = ['mysql2', 'mysql2/promise', 'mongodb', 'bson', 'redis', 'neo4j-driver', '@google-cloud/firestore', 'libpg-query']
    expect([...packages].filter((it) => clients.includes(it))).toEqual([])
  })

  it('[house.environment] only config.ts reads the environment', () => {
    expect(
      sources.filter((f) => f !== 'src/config.ts' && /process\s*\.\s*env\b|import\.meta\.env|\benv\s*\}\s*=\s*process/.test(code(f))),
    ).toEqual([])
  })

  it('[house.network] nobody calls the global fetch or opens a socket by hand', () => {
    const calls = sources.filter(
      (f) => /(?<![\w.$])(globalThis\.)?fetch\(|new WebSocket\(|new EventSource\(/.test(code(f)) && !f.startsWith('src/connectors/'),
    )
    expect(calls.filter((f) => !/async fetch\(/.test(code(f)))).toEqual([])
  })

  it('[house.vault] one file builds the vault, and nobody outside can reveal a secret', () => {
    expect(sources.filter((f) => /\bcreateVault\b/.test(code(f)))).toEqual(['src/server.ts', 'src/vault/index.ts'])
    expect(sources.filter((f) => /\breveal\b/.test(code(f)) && !f.startsWith('src/vault/'))).toEqual([])
    expect(code('src/vault/index.ts')).not.toMatch(/export .*\breveal\b/)
  })

  it('[house.names] no file is called after nothing', () => {
    const all = [...sources, ...filesOf('test')]
    expect(all.filter((f) => /(service|manager|helper|utils?|common|shared|misc)\b/i.test(f.split('/').at(-1) as string))).toEqual([])
    expect(sources.filter((f) => /\b(class|interface) \w+(Service|Manager|Helper)\b/.test(code(f)))).toEqual([])
  })

  it('[house.quiet] nothing is printed by console, and no rule is switched off', () => {
    expect(sources.filter((f) => /(?<![\w.])console\.|@ts-(ignore|nocheck)|\bas any\b|\bdebugger\b/.test(code(f)))).toEqual([])
  })

  it('[house.alone] the project speaks of itself alone', () => {
    const outside = new RegExp(
      ['\\.\\./sha' + 'red\\b', '/wo' + 'rk/', 'developer.s ses' + 'sion', '\\bTO' + 'DO\\b', '\\bFIX' + 'ME\\b'].join('|'),
    )
    const all = [
      ...filesOf('src'),
      ...filesOf('test'),
      ...filesOf('bench'),
      ...readdirSync(root).filter((f) => f.endsWith('.md')),
      'package.json',
      'Dockerfile',
      'compose.yaml',
      '.ci/run',
    ]
    expect(all.filter((f) => outside.test(text(f)))).toEqual([])
  })
})
