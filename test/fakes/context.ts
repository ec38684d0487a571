/** A tool's context without a vault: places a made-up credential by the connector's recipe, and waits for nothing. */
import { Fault } from '../../src/base/errors.ts'
import { bearer, type Connector, type Put, type SqlSession, type ToolContext } from '../../src/connectors/contract.ts'

export interface TestContext extends ToolContext {
  /** Milliseconds that somebody wanted to wait. */
  waits: number[]
}

const NO_DB = new Proxy({} as SqlSession, {
  get: () => {
    throw new Error('this connector has no database')
  },
})

export function toolContext(
  c: Connector,
  made: {
    credentials: Record<string, string>
    config: Record<string, unknown>
    service?: string
    signal?: AbortSignal
    account?: ToolContext['account']
  },
): TestContext {
  const put = placeOf(c, made.service)
  const config = c.config.parse(made.config) as Record<string, unknown>
  const entered = openPart(c, made.credentials, made.service)
  const usual = typeof c.base === 'function' ? c.base(entered) : c.base
  const base = String(config[c.baseKey] ?? usual).replace(/\/$/, '')
  const signal = made.signal ?? new AbortController().signal
  const waits: number[] = []
  const send = async (pathOrUrl: string, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(pathOrUrl.startsWith('/') ? base + pathOrUrl : pathOrUrl)
    if (url.host !== new URL(base).host && !c.hosts.includes(url.host))
      throw new Fault('EGRESS_BLOCKED', `${c.slug} may not call ${url.host}.`)
    const headers = new Headers(init.headers)
    place(put, made.credentials, url, headers)
    try {
      return await fetch(url, { ...init, headers, redirect: 'manual' })
    } catch (cause) {
      if (signal.aborted) throw new Fault('STEP_TIMED_OUT', `${c.slug} did not answer in time.`, { cause, maybeDone: true })
      const unsent = /ECONNREFUSED/.test(String((cause as Error).cause))
      throw new Fault('UPSTREAM_ERROR', `${c.slug} cannot be reached.`, { cause, maybeDone: !unsent })
    }
  }
  const wait = async (ms: number) => {
    waits.push(ms)
    signal.throwIfAborted()
  }
  const session = () => {
    throw new Error('this connector has no database')
  }
  const account = made.account ?? null
  return { fetch: send, db: NO_DB, session, base, key: 'run_1/step_1', account, entered, config, signal, wait, waits }
}

/** A tool's context of a connector with a database wire, whose session is made by hand. */
export function databaseContext(session: object, config: Record<string, unknown>): ToolContext {
  return {
    db: session as SqlSession,
    session: () => session as never,
    config,
    signal: new AbortController().signal,
    base: '',
    account: null,
    entered: {},
    key: 'run_1/step_1',
    fetch: () => Promise.reject(new Error('no HTTP here')),
    wait: async () => undefined,
  }
}

/** What is entered and no secret, as the vault's intake parts it. */
function openPart(c: Connector, credentials: Record<string, string>, service = 'api_key'): Record<string, string> {
  const fields = c.auth.kind === 'api_key' ? (c.auth.services[service]?.fields ?? []) : []
  return Object.fromEntries(Object.entries(credentials).filter(([name]) => fields.some((f) => f.name === name && !f.secret)))
}

/** The recipe of a key's service; an OAuth access token goes into the Authorization header, whatever it is for (RFC 6750). */
function placeOf(c: Connector, name = 'api_key'): Put {
  if (c.auth.kind === 'oauth') return bearer('access_token')
  if (c.auth.kind !== 'api_key') throw new Error(`${c.slug} takes no key`)
  return c.auth.services[name]?.put ?? bearer('access_token')
}

/** Sets, never adds: what a caller put in the credential's place is gone. */
function place(put: Put, credentials: Record<string, string>, url: URL, headers: Headers): void {
  const value = (field: string) => credentials[field] ?? ''
  if (put.in === 'basic') {
    headers.set('authorization', `Basic ${Buffer.from(`${value(put.user)}:${value(put.password)}`).toString('base64')}`)
    return
  }
  const name = typeof put.name === 'string' ? put.name : value(put.name.field)
  if (put.in === 'header') headers.set(name, put.prefix + value(put.field))
  else url.searchParams.set(name, value(put.field))
}
