/** Connections with an OAuth provider in memory: several "processes" on one database, a clock that a test moves, and no network. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAccess } from '../src/access/index.ts'
import type { Db, Scope } from '../src/base/db.ts'
import type { Egress } from '../src/base/egress.ts'
import { Fault } from '../src/base/errors.ts'
import { RUNTIME } from '../src/base/secret-use.ts'
import { type Connections, createConnections, createEpoch, type Subscriber } from '../src/connections/index.ts'
import { type Connector, connector, type OAuthProvider, provider, tool, z } from '../src/connectors/contract.ts'
import { conceal, createVault, newRootKeyText, type Vault } from '../src/vault/index.ts'
import { type TestDatabase, testDatabase } from './database.ts'

const TOKEN_URL = 'https://id.acme.example/token'
const API = 'https://api.acme.example'

/** What the token endpoint does with the next request instead of answering it well. */
export type Mishap =
  | { kind: 'answer'; status: number; body: unknown; type?: string; headers?: Record<string, string> }
  /** Carried out over there, and the answer lost on the wire. */
  | { kind: 'lost' }
  /** Never arrived. */
  | { kind: 'unsent' }
  /** Carried out, without a refresh token in the answer. */
  | { kind: 'no_refresh' }
  /** Kept back until `release`. */
  | { kind: 'held' }

/** A token endpoint in memory: strict by default, so that a refresh token that comes twice ends its grant. */
export class Acme {
  strict = true
  rotates = true
  /** The token before is taken once more, as providers with a grace period do. */
  grace = false
  lifetimeS: number | undefined = 3600
  requests: { refresh: string; at: number; outcome: string }[] = []
  inside = 0
  most = 0
  mishaps: Mishap[] = []
  /** A client secret that is not taken. */
  refusesSecret: string | null = null
  /** Grants whose rotation was carried out while its answer was lost on the wire. */
  lost: string[] = []
  calls: { token: string; status: number }[] = []
  needsScope: string | null = null
  private readonly grants = new Map<string, { live: boolean; refresh: string; spent: Set<string>; access: Set<string> }>()
  private readonly byToken = new Map<string, string>()
  private n = 0
  private held: (() => void)[] = []
  private waiting: (() => void)[] = []

  grant(): string {
    const id = `g${++this.n}`
    const refresh = this.token('rt', id)
    this.grants.set(id, { live: true, refresh, spent: new Set(), access: new Set() })
    return refresh
  }
  private token(kind: string, grant: string): string {
    const token = `${kind}-${grant}-${++this.n}-canary`
    this.byToken.set(token, grant)
    return token
  }
  revokeAll(): void {
    for (const g of this.grants.values()) g.live = false
  }
  /** Access tokens end; grants live on. */
  endAccess(): void {
    for (const g of this.grants.values()) g.access.clear()
  }
  release(): void {
    for (const go of this.held.splice(0)) go()
  }
  arrived(): Promise<void> {
    return new Promise((go) => this.waiting.push(go))
  }

  private exchange(form: URLSearchParams): { status: number; body: Record<string, unknown> } {
    const refused = (error: string, status = 400) => ({ status, body: { error } })
    if (this.refusesSecret !== null && form.get('client_secret') === this.refusesSecret) return refused('invalid_client', 401)
    if (form.get('grant_type') === 'client_credentials') {
      const id = `m${++this.n}`
      const access = this.token('at', id)
      this.grants.set(id, { live: true, refresh: '', spent: new Set(), access: new Set([access]) })
      return { status: 200, body: { access_token: access, token_type: 'Bearer', expires_in: this.lifetimeS } }
    }
    const given = form.get('refresh_token') ?? ''
    const grant = this.grants.get(this.byToken.get(given) ?? '')
    if (!grant?.live) return refused('invalid_grant')
    if (grant.refresh !== given && !(this.grace && grant.spent.has(given))) {
      if (this.strict) grant.live = false
      return refused('invalid_grant')
    }
    if (this.rotates) {
      grant.spent.add(grant.refresh)
      grant.refresh = this.token('rt', this.byToken.get(given) as string)
    }
    const access = this.token('at', this.byToken.get(given) as string)
    grant.access.add(access)
    const refresh = this.rotates ? { refresh_token: grant.refresh } : {}
    return {
      status: 200,
      body: { access_token: access, token_type: 'Bearer', expires_in: this.lifetimeS, scope: 'read write', ...refresh },
    }
  }

  /** As the egress guard would bring it. */
  fetch: Egress['fetch'] = async (url, init = {}) => {
    const at = new URL(String(url))
    if (at.origin === API) return this.api(new Headers(init.headers as Record<string, string>).get('authorization') ?? '')
    const form = new URLSearchParams(String(init.body))
    const mishap = this.mishaps.shift()
    if (mishap?.kind === 'unsent') throw new Fault('UPSTREAM_ERROR', 'id.acme.example cannot be reached')
    this.inside++
    this.most = Math.max(this.most, this.inside)
    const record = { refresh: form.get('refresh_token') ?? '', at: performance.now(), outcome: 'under way' }
    this.requests.push(record)
    for (const go of this.waiting.splice(0)) go()
    try {
      if (mishap?.kind === 'answer') {
        record.outcome = `mishap ${mishap.status}`
        const text = typeof mishap.body === 'string' ? mishap.body : JSON.stringify(mishap.body)
        return new Response(text, {
          status: mishap.status,
          headers: { 'content-type': mishap.type ?? 'application/json', ...mishap.headers },
        })
      }
      const { status, body } = this.exchange(form)
      record.outcome = status === 200 ? 'ok' : String(body.error)
      if (mishap?.kind === 'held') await new Promise<void>((go) => this.held.push(go))
      if (mishap?.kind === 'lost' && status === 200) this.lost.push(record.refresh.split('-')[1] as string)
      if (mishap?.kind === 'lost') throw new Fault('UPSTREAM_ERROR', 'the connection to id.acme.example was lost', { maybeDone: true })
      if (mishap?.kind === 'no_refresh') delete body.refresh_token
      return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
    } finally {
      this.inside--
    }
  }

  private api(authorization: string): Response {
    const token = authorization.replace('Bearer ', '')
    const grant = this.grants.get(this.byToken.get(token) ?? '')
    const status = !grant?.live || !grant.access.has(token) ? 401 : this.needsScope ? 403 : 200
    this.calls.push({ token, status })
    return new Response(JSON.stringify(status === 200 ? { ok: true } : { error: 'no' }), {
      status,
      headers: { 'content-type': 'application/json' },
    })
  }
}

const field = (name: string, secret: boolean, required = false) => ({ name, label: name, secret, required, hint: 'As it is in this test.' })
export const acmeProvider = (over: Partial<OAuthProvider> = {}): OAuthProvider =>
  provider({
    slug: 'acme',
    title: 'Acme',
    about: 'A provider that is in this test alone.',
    docs: 'https://acme.example',
    issuer: null,
    endpoints: { authorization: 'https://id.acme.example/auth', token: TOKEN_URL, revocation: null, userinfo: null, introspection: null },
    issInAnswers: false,
    nonce: true,
    clientAuth: 'post',
    pkce: 'S256',
    authorizeParams: {},
    identityScopes: [],
    services: { all: { title: 'All', about: 'Everything.', scopes: ['read', 'write'] } },
    scopeAliases: {},
    rotates: 'always',
    accessLifetimeS: 3600,
    grantLifetimeS: null,
    testGrantLifetimeS: null,
    idleLimitS: null,
    revokes: 'token',
    apiHosts: ['api.acme.example'],
    noRefreshToken: 'Ask for offline access.',
    refusals: [],
    manual: {
      refresh_token: {
        title: 'Refresh token',
        grant: 'refresh_token',
        fields: [field('client_id', false), field('client_secret', true), field('refresh_token', true), field('access_token', true)],
      },
      client_credentials: {
        title: 'Client',
        grant: 'client_credentials',
        fields: [field('client_id', false, true), field('client_secret', true, true)],
      },
    },
    ...over,
  })
export const acmeConnector: Connector = connector({
  slug: 'acme-api',
  title: 'Acme API',
  about: 'A connector that is in this test alone.',
  docs: 'https://acme.example',
  auth: { kind: 'oauth', provider: 'acme', service: 'all', check: async () => ({ account: null, granted_scopes: null }) },
  config: z.strictObject({ api_base: z.url().optional() }),
  base: API,
  baseKey: 'api_base',
  hosts: [],
  tools: {
    look: tool({
      about: 'Looks at Acme, which is all that this tool does.',
      effect: 'read',
      repeatable: true,
      scopes: [['read', 'all']],
      input: z.strictObject({}),
      output: z.object({ ok: z.boolean() }),
      example: {},
      run: async (ctx) => (await (await ctx.fetch('/look')).json()) as { ok: boolean },
    }),
  },
})

export interface Process {
  connections: Connections
  vault: Vault
  /** One call of the API with the connection's token: its HTTP status, or the code of the fault. */
  call(id: string): Promise<string>
  events(id: string): Promise<string[]>
  status(id: string): Promise<string>
  /** What this process met in its rounds. */
  troubles: unknown[]
  dataDir: string
}
export interface Stage extends AsyncDisposable {
  acme: Acme
  db: Db
  database: TestDatabase
  scope: Scope
  now: number
  /** Comes at the end of the test: what a process that died waits for. */
  over: Promise<void>
  tick(ms: number): void
  /** Another process on the same database, or the same one again after it died. */
  process(options?: ProcessOptions): Promise<Process>
  /** As if the leases of whoever holds one had run out: they lie in the database's time, which no test moves. */
  leaseRunsOut(): Promise<unknown>
  /** A connection by hand, with a refresh token that was never used. */
  connect(p: Process, name?: string): Promise<string>
}
export interface ProcessOptions {
  owner?: string
  dataDir?: string
  fault?: (point: string) => void | Promise<void>
  eventsTo?: Subscriber | null
  provider?: Partial<OAuthProvider>
  /** Stands between this process and the database. */
  db?: Db
  fetch?: Egress['fetch']
  /** Beside Acme's. */
  connectors?: readonly Connector[]
}

/** A database that can be away: nothing of it is reached, and what was being asked is not done. */
export function severed(db: Db): { db: Db; away: boolean } {
  const gone = () => Promise.reject(new Fault('DEPENDENCY_UNAVAILABLE', 'the database does not answer'))
  const it: { db: Db; away: boolean } = {
    away: false,
    db: {
      ...db,
      tx: (scope, work) => (it.away ? gone() : db.tx(scope, work)),
      once: (scope, work) => (it.away ? gone() : db.once(scope, work)),
      everyTenant: (why, work) => (it.away ? gone() : db.everyTenant(why, work)),
    } as Db,
  }
  return it
}

/** A statement as it stands, for what a test does behind everybody's back. */
export const statement = (sql: string, parameters: unknown[] = []) => ({ compile: () => ({ sql, parameters }) }) as never

export async function stage(): Promise<Stage> {
  const database = await testDatabase()
  const { db } = database
  const acme = new Acme()
  const rootKey = conceal(newRootKeyText())
  const home = mkdtempSync(join(tmpdir(), 'agentruntime-renewing-'))
  const founding = createAccess({ db, now: Date.now })
  const { owner } = await founding.founding()
  const scope = { workspace: owner.workspace, project: owner.project }
  const over = Promise.withResolvers<void>()
  const up: { vault: Vault; connections: Connections }[] = []
  let n = 0
  const it: Stage = {
    acme,
    db,
    database,
    scope,
    now: Date.now(),
    over: over.promise,
    tick(ms) {
      it.now += ms
    },
    leaseRunsOut: () =>
      db.everyTenant('time passes', (tx) =>
        tx.run(statement("update grants set lease_until = now() - interval '1 s' where lease_until > now()")),
      ),
    async process(options = {}) {
      const mine = options.db ?? db
      const name = options.owner ?? `exec_${++n}`
      const dataDir = options.dataDir ?? join(home, name)
      const now = () => it.now
      const fetch = options.fetch ?? acme.fetch
      const nowhere = () => Promise.reject(new Error('no sockets here'))
      const egress: Egress = { fetch, address: nowhere, connect: nowhere, judge: nowhere, srv: nowhere, close: async () => undefined }
      const fault = options.fault ? { fault: options.fault } : {}
      const rootSource = { kind: 'value', name: 'TEST_KEY', value: rootKey } as const
      const vault = createVault({
        db: mine,
        rootSource,
        egress,
        now,
        uses: { note: () => undefined, blank: () => undefined },
        localRoot: dataDir,
        journalDir: join(dataDir, 'answers'),
        wait: async () => undefined,
        ...fault,
      })
      await vault.keeping.unlock()
      const epoch = createEpoch({ db: mine, dataDir, ownPostgres: false, now })
      await epoch.begin()
      const troubles: unknown[] = []
      const connections = createConnections({
        db: mine,
        vault: vault.lending,
        connectors: new Map([acmeConnector, ...(options.connectors ?? [])].map((c) => [c.slug, c])),
        providers: new Map([['acme', acmeProvider(options.provider)]]),
        configuredApps: [],
        egress,
        epoch,
        publicUrl: () => 'https://agents.example',
        owner: name,
        eventsTo: options.eventsTo ?? null,
        stands: async () => true,
        audit: async () => undefined,
        trouble: (error) => void troubles.push(error),
        now,
        random: () => 0.5,
        wait: (ms) => new Promise((done) => setTimeout(done, Math.min(ms, 5))),
        ...fault,
      })
      up.push({ vault, connections })
      const signal = new AbortController().signal
      return {
        connections,
        vault,
        troubles,
        dataDir,
        async call(id) {
          try {
            const lent = await connections.lend(scope, { connectionId: id, connector: acmeConnector, config: {}, signal, user: RUNTIME })
            return String((await lent.fetch('/look')).status)
          } catch (error) {
            return (error as Fault).code ?? String(error)
          }
        },
        events: (id) =>
          db.tx(scope, async (tx) => (await connections.events(tx, id, 200, undefined)).items.map((e) => e.event_type).reverse()),
        status: async (id) => {
          const facts = await db.tx(scope, (tx) => connections.get(tx, id))
          return facts.status_reason ? `${facts.status} ${facts.status_reason}` : facts.status
        },
      }
    },
    async connect(p, display_name = 'Acme') {
      const credentials = {
        client_id: conceal('client-1'),
        client_secret: conceal('client-secret-canary'),
        refresh_token: conceal(acme.grant()),
      }
      const write = await p.connections.create(scope, {
        display_name,
        provider: 'acme',
        service: 'refresh_token',
        environment: 'production',
        credentials,
      })
      return (await db.tx(scope, write)).id
    },
    async [Symbol.asyncDispose]() {
      over.resolve()
      acme.release()
      for (const { connections, vault } of up) {
        await connections.close()
        await vault.close()
      }
      await founding.close()
      await database.drop()
      rmSync(home, { recursive: true, force: true })
    },
  }
  return it
}
