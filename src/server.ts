/** The only file that knows every room: builds them, starts them, stops them. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getRequestListener } from '@hono/node-server'
import {
  type Act,
  appendAudit,
  createAccess,
  createRefusals,
  createUses,
  removeSetupLink,
  retainAudit,
  setupTokenIsRight,
  writeOwnerPat,
  writeSetupLink,
} from './access/index.ts'
import { refuseHalfRestored } from './backup/index.ts'
import { createDb, openPool, type Scope, type Tx } from './base/db.ts'
import { createEgress } from './base/egress.ts'
import { executorId } from './base/executor-id.ts'
import { openHastenedPool } from './base/postgres-pool.ts'
import { lockDirectory } from './base/lock.ts'
import { createMail } from './base/mail.ts'
import { createLog, type Logger } from './base/log.ts'
import { migrate } from './base/migrate.ts'
import { openDatabase } from './base/postgres-open.ts'
import { createBindings } from './bindings/index.ts'
import { type Config, VERSION } from './config.ts'
import { type AppSettings, createConnections, createEpoch } from './connections/index.ts'
import { loadShelf } from './connectors/load.ts'
import { seedDemo } from './demo.ts'
import { createHttp } from './faces/http.ts'
import { createReadiness } from './faces/readiness.ts'
import { createListener, shownHost } from './listener.ts'
import {
  bearerOf,
  createElsewhere,
  createInvoke,
  createSignIn,
  forgetOldAnswers,
  operations,
  type Rooms,
  standsBy,
} from './operations/index.ts'
import { createRuns, ENGINE_POOL, type Times } from './runs/index.ts'
import { createTools } from './tools/index.ts'
import { createTriggers, type Limit } from './triggers/index.ts'
import { createRedactor, createVault } from './vault/index.ts'

/** Connections of our own to the database: enough to keep two cores busy, few enough for a small server. */
const APP_POOL = 16
/** How often the root key is looked at again and wraps are counted; how often a sealed vault tries to open. */
const VAULT_CHECK_MS = 60_000
const VAULT_RETRY_MS = 5_000
/** Old answers are dropped this often: they are small, and nobody waits for it. */
const TIDY_MS = 3_600_000
const MIGRATIONS = new URL('../migrations/', import.meta.url)
const CONSOLE = fileURLToPath(new URL('../console/dist/', import.meta.url))

export interface Deps {
  now?: () => number
  random?: () => number
  fault?: (point: string, about?: string) => void | Promise<void>
  /** How often what is due is looked for. */
  lookEveryMs?: number
  /** Shorter leases and rounds, for whoever cannot wait. */
  times?: Partial<Times>
  /** Of inbound webhooks, for each subscription. */
  rate?: Limit
  /** One line for whoever watches the start. */
  say?: (line: string) => void
}

export interface Runtime {
  url: string
  log: Logger
  rooms: Rooms
  demoRunId: string | null
  sealed: string | null
  /** True on the first start of an installation. */
  fresh: boolean
  /** Where the first owner sets up; null once there is one. */
  setupLink: string | null
  stop(): Promise<void>
}

export async function startRuntime(config: Config, deps: Deps = {}): Promise<Runtime> {
  const { now = Date.now, random = Math.random, say = () => undefined } = deps
  const undo: (() => unknown)[] = []
  let engineUp = false
  // The port is taken first, so that a taken one is said before anything is made; until all is there the answer is 503.
  const listener = createListener()
  // On the way down: no new requests, then runs write down what is in flight, then the rest.
  const stop = async () => {
    engineUp = false
    await listener.close()
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    refuseHalfRestored(config.dataDir)
    if (!existsSync(config.dataDir)) mkdirSync(config.dataDir, { recursive: true, mode: 0o711 })
    const lock = lockDirectory(config.dataDir)
    undo.push(() => lock.release())
    const ownPort = await listener.listen(config)
    const redactor = createRedactor({ now })
    const logFile = config.logFile === '-' ? 2 : (config.logFile ?? join(config.dataDir, 'agentruntime.log'))
    const log = createLog(config.logLevel, logFile, redactor.line)
    const database = await openDatabase(config, log, say)
    undo.push(database.stop)
    const { role } = await migrate(database.connection, MIGRATIONS, say)
    const pool = openPool(database.connection, role, APP_POOL)
    const enginePool = openHastenedPool(database.connection, ENGINE_POOL, 'agentruntime-engine')
    undo.push(() => Promise.all([pool.end(), enginePool.end()]))
    const db = createDb(pool)

    const refusals = createRefusals({ db, now, log, lookEveryMs: deps.lookEveryMs })
    undo.push(() => refusals.close())
    const egress = createEgress({
      allowPrivate: config.allowPrivate,
      ownListeners: () => [{ address: config.host === 'localhost' ? '127.0.0.1' : config.host, port: ownPort }, ...database.listeners],
      proxy: config.egressProxy,
      onRefusal: refusals.note,
    })
    undo.push(() => egress.close())

    const usesLate = (error: unknown) => log.warn({ problem: (error as Error).message }, 'uses of secrets are not written yet')
    const uses = createUses({ db, dir: join(config.dataDir, 'uses'), now, trouble: usesLate })
    undo.push(() => uses.close())
    uses.begin()

    const { connectors, providers } = await loadShelf()
    const fault = deps.fault && { fault: deps.fault }
    const vault = createVault({
      db,
      rootSource: config.rootKey,
      egress,
      now,
      uses,
      localRoot: join(config.dataDir, 'files'),
      journalDir: join(config.dataDir, 'answers'),
      configured: config.oauthSecrets,
      redactor,
      ...fault,
    })
    undo.push(() => vault.close())
    await vault.keeping.unlock()
    const vaultState = vault.keeping.state()
    if (vaultState.state === 'open' && vaultState.warning) say(vaultState.warning)
    let checked = now()
    const checking = setInterval(() => {
      if (vault.keeping.state().state === 'open' && now() - checked < VAULT_CHECK_MS) return
      checked = now()
      vault.check().catch((error: Error) => log.warn({ problem: error.message }, 'the vault check failed'))
    }, VAULT_RETRY_MS).unref()
    undo.push(() => clearInterval(checking))

    const publicUrl = () => config.publicUrl ?? `http://${shownHost(config.host)}:${ownPort}`
    const mail = config.smtp && (await createMail(config.smtp, config.egressProxy))
    undo.push(() => mail?.close())
    const access = createAccess({
      db,
      now,
      send: mail?.send,
      publicUrl,
      trouble: (error) => log.warn({ problem: (error as Error).message }, 'a letter or a note was not written'),
      setup: { isRight: (token) => setupTokenIsRight(config.dataDir, token, now()), done: () => removeSetupLink(config.dataDir) },
    })
    const owner = executorId(config.dataDir)
    const audit = async (tx: Tx, scope: Scope, act: Act) => void appendAudit(tx, scope, new Date(now()), act)
    const epoch = createEpoch({ db, dataDir: config.dataDir, ownPostgres: config.databaseUrl === null, now })
    const connections = createConnections({
      db,
      vault: vault.lending,
      connectors,
      providers,
      configuredApps: config.oauthApps.map((a) => ({ ...a, settings: a.settings as AppSettings })),
      egress,
      epoch,
      publicUrl,
      owner,
      eventsTo: config.eventsTo,
      stands: standsBy(access),
      audit,
      trouble: (error) => log.warn({ problem: (error as Error).message }, 'looking after connections met trouble'),
      now,
      random,
      wait: (ms) => new Promise((done) => setTimeout(done, ms)),
      lookEveryMs: deps.lookEveryMs,
      ...fault,
    })
    const bindings = createBindings({ db, connectors, now })
    const tools = createTools({ db, bindings, connections, now, onRefusal: refusals.note })
    const runs = createRuns({
      db,
      enginePool,
      executorId: owner,
      tools,
      findStored: ({ workspace }) => vault.findStored(workspace),
      clean: ({ workspace }, value) => redactor.of(workspace).json(value),
      heldSince: epoch.heldSince,
      now,
      random,
      log,
      ...fault,
      ...(deps.times && { times: deps.times }),
    })
    const triggers = createTriggers({
      db,
      vault: vault.verifying,
      runs,
      audit,
      bearer: bearerOf(access),
      publicUrl,
      now,
      trouble: (error) => log.warn({ problem: (error as Error).message }, 'inbound webhooks met trouble'),
      lookEveryMs: deps.lookEveryMs,
      rate: deps.rate,
      ...fault,
    })
    undo.push(
      () => access.close(),
      () => triggers.close(),
      () => connections.close(),
      () => tools.close(),
    )

    const elsewhere = createElsewhere({ oauth: vault.lending.oauth, access, providers: config.signInWith, publicUrl, now })
    const wayOut = { proxy: config.egressProxy, addresses: config.egressAddresses, opened: config.allowPrivate, refusals }
    const rooms: Rooms = { elsewhere, egress: wayOut, access, connections, bindings, tools, runs, triggers, vault: vault.keeping, uses, db }
    const invoke = createInvoke(rooms, { now })
    const readiness = createReadiness({ db, vault: vault.keeping, uses, engineUp: () => engineUp })
    const http = createHttp({
      operations,
      invoke,
      signIn: createSignIn(rooms),
      elsewhere,
      redact: redactor,
      ingress: triggers.ingress,
      secure: config.publicUrl?.startsWith('https:') ?? false,
      trustedProxies: config.trustedProxies,
      publicUrl,
      access,
      readiness,
      up: () => engineUp,
      log,
      now,
      version: VERSION,
      consoleDir: CONSOLE,
    })
    let launched = false
    undo.push(() => (launched ? runs.close() : undefined))
    listener.answerWith(getRequestListener(http.fetch))

    launched = true
    await epoch.begin()
    if (epoch.held())
      say(`Renewals of rotating tokens are held: ${epoch.held()}. If the original is no more: POST /v1/oauth/confirm-original.`)
    await runs.launch()
    engineUp = true
    await connections.begin()
    triggers.begin()

    const { auditRetentionDays: days } = config
    const retain = () => (days === null ? 0 : retainAudit({ db, signer: vault.keeping.signer, days, now: now() }))
    const tidy = () =>
      void Promise.all([forgetOldAnswers(db), access.people.forgetOld(), retain()]).catch((error: Error) =>
        log.warn({ problem: error.message }, 'tidying failed'),
      )
    const tidying = setInterval(tidy, TIDY_MS).unref()
    undo.push(() => clearInterval(tidying))

    const founding = await access.founding()
    if (config.ownerPatFile) await writeOwnerPat(config.ownerPatFile, { access, db, owner: founding.owner, now })
    let demoRunId: string | null = null
    if (config.demo && founding.fresh && vaultState.state === 'open')
      demoRunId = await seedDemo({ invoke, rooms, owner: founding.owner, root: join(config.dataDir, 'files') })
    const open = await access.people.setupIsOpen()
    const setupLink = open ? writeSetupLink(config.dataDir, now(), publicUrl()) : null
    if (!open) removeSetupLink(config.dataDir)
    return {
      url: `http://${shownHost(config.host)}:${ownPort}`,
      log,
      rooms,
      setupLink,
      demoRunId,
      sealed: vaultState.state === 'sealed' ? vaultState.message : null,
      fresh: founding.fresh,
      stop,
    }
  } catch (error) {
    await stop().catch(() => undefined)
    throw error
  }
}

/** Void is the one before. Null where there is nothing to set up. */
export const newSetupLink = (dataDir: string): string | null => writeSetupLink(dataDir, Date.now())
