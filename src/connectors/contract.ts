/** All that a connector may import. Its tools get a `fetch` or a `db` that already carries the credential, and never the credential. */
import type { z } from 'zod'
import type { Field, Put, RemoteWire, Searched, Sessions, SqlSession, Wire } from '../vault/index.ts'
import type { OAuthProvider, RefusalRow, ScopeNeed } from './provider.ts'

export { z } from 'zod'
export { Fault, fail } from '../base/errors.ts'
export { basic, bearer, type Field, header, type Put, query, type Sessions, type SqlSession } from '../vault/index.ts'
export { type Answer, exchange, fill, type RestCall, rest } from './rest.ts'
export { missingScopes } from './scopes.ts'
export { type Judge, nextPage, said, standardJudge, type Verdict, waitOf } from './judge.ts'
export {
  type Endpoints,
  type WayByHand,
  type OAuthProvider,
  provider,
  type Refusal,
  type RefusalRow,
  type ScopeNeed,
} from './provider.ts'

export type Effect = 'read' | 'write' | 'destroy'

/** What one tool call has at hand. */
export interface ToolContext {
  /**
   * Sends a request that carries the credential. A path (`/user`) is taken relative to `base`; a full URL must be on one of
   * the connector's hosts. Redirects are not followed with the credential to another host. Faults: EGRESS_BLOCKED,
   * UPSTREAM_ERROR (unreachable, `maybeDone` says whether it may have been carried out), STEP_TIMED_OUT.
   */
  fetch: (pathOrUrl: string, init?: RequestInit) => Promise<Searched>
  /** The database session, for connectors with a SQL wire. */
  db: SqlSession
  /** The session of a wire that is not SQL. Faults: TOOL_REFUSED for another wire than the connection's. */
  session: <W extends RemoteWire>(wire: W) => Sessions[W]
  /** `https://api.example.com`, no trailing slash. */
  base: string
  /** The idempotency key of this call: the same for every try of the same step of the same run. */
  key: string
  /** Whose account the connection is, where that is known. */
  account: { id: string; label: string } | null
  /** What was entered beside the secret, by the names of the form's fields: an account's number, a subdomain. Never the secret. */
  entered: Readonly<Record<string, unknown>>
  /** The profile's config, parsed by the connector's schema. */
  config: Record<string, unknown>
  /** Aborts when the caller goes away or the time is up. */
  signal: AbortSignal
  /** Waits before another try. Rejects with the signal's reason when `signal` aborts meanwhile. Tests hand in one that does not wait. */
  wait: (ms: number) => Promise<void>
}

export interface Tool {
  /** Written for a model: what it does, when to use it and when not. */
  about: string
  effect: Effect
  /**
   * May the very same call be made twice without harm? If not, a crash in the middle is left to a person. A function where it depends
   * on the (parsed) input.
   */
  repeatable: boolean | ((input: never) => boolean)
  /** For a tool of wide effect: whether the call with this (parsed) input only reads. Its record need not be stored before the answer. */
  reads?: (input: never) => boolean
  /**
   * Least grants that let the tool do its usual job; all are needed. A list among them holds alternatives, the least first. Empty: any
   * live credential does.
   */
  scopes: readonly ScopeNeed[]
  input: z.ZodType
  output: z.ZodType
  /** An example input, used by the contract test and the docs. */
  example: unknown
  run: (ctx: ToolContext, input: never) => Promise<unknown>
}

/** What a validation call learnt. */
export interface Checked {
  account: { id: string; label: string } | null
  /** null: the vendor does not tell. */
  granted_scopes: string[] | null
  /** RFC 3339, where the vendor tells. */
  expires_at?: string | null
  /** Things that a person should know now: a superuser role, an old API version. */
  warnings?: string[]
}

export interface Service {
  title: string
  fields: readonly Field[]
  put: Put
  /**
   * `client_id` and `client_secret` are entered, and what goes out is a token that they are exchanged for (RFC 6749 §4.4), as the field
   * `access_token`. One service of a connector may have it.
   */
  exchange?: {
    /** Of the public fields, whose formats it can rely on. */
    tokenEndpoint: (entered: Readonly<Record<string, unknown>>) => string
    /** Seconds that a token lives where the answer does not say. */
    lifetimeS: number
    refusals: readonly RefusalRow[]
  }
  /** Where the vendor ends a credential: one POST below the base, by whoever holds it. `done`: the statuses that say it has. */
  revoke?: { path: string; put: Put; headers: Readonly<Record<string, string>>; done: readonly number[] }
  /** The secret is not entered: a code is exchanged for it, with an OAuth app of this provider, which is called after the connector. */
  signUp?: OAuthProvider
  /** What the vendor wants done once after each sign-up. Answers what a person should know; its faults are told and undo nothing. */
  signedUp?: (ctx: ToolContext) => Promise<string[]>
}

export type Auth =
  | {
      kind: 'api_key'
      services: Readonly<Record<string, Service>>
      /** Takes connections of OAuth providers too; their tokens go to their own hosts only. */
      oauth?: true
      check: (ctx: ToolContext) => Promise<Checked>
    }
  | { kind: 'dsn'; wire: RemoteWire; fields: readonly Field[]; check: (ctx: ToolContext) => Promise<Checked> }
  /** An account of an OAuth provider, of which one connection may serve several connectors. `service` is the provider's name for this one. */
  | { kind: 'oauth'; provider: string; service: string; check: (ctx: ToolContext) => Promise<Checked> }
  | { kind: 'none'; wire: Wire; check: (ctx: ToolContext) => Promise<Checked> }

export interface Connector {
  /** Equals the folder's name. */
  slug: string
  title: string
  about: string
  /** The vendor's page about its keys. */
  docs: string
  auth: Auth
  /** Non-secret settings of a profile. Strict: unknown settings are refused by name. */
  config: z.ZodObject
  /**
   * Where requests go when the config does not say otherwise (`api_base`). null: the config must say (or: not HTTP). A function where what
   * is entered beside the secret says it (a shop's domain): it gets the public fields, whose formats it can rely on.
   */
  base: string | null | ((entered: Readonly<Record<string, unknown>>) => string)
  /** Hosts (with port, where it is not 443) that the credential may go to besides that of the base. */
  hosts: readonly string[]
  /** What the vendor allows one credential, from its documentation. All runs share it. */
  rate?: { requests: number; perS: number }
  /** Which config key overrides `base`: `api_base`, or `base_url` for the generic connector. */
  baseKey: string
  tools: Readonly<Record<string, Tool>>
}

export const connector = (c: Connector): Connector => c

/** Connectors that share one sign-in live in one folder, which is called after the provider. */
export interface Family {
  provider: OAuthProvider
  connectors: readonly Connector[]
}
export const family = (f: Family): Family => f

export const tool = <I extends z.ZodType, O extends z.ZodType>(t: {
  about: string
  effect: Effect
  repeatable: boolean | ((input: z.output<I>) => boolean)
  reads?: (input: z.output<I>) => boolean
  scopes?: readonly ScopeNeed[]
  input: I
  output: O
  example: z.input<I>
  run: (ctx: ToolContext, input: z.output<I>) => Promise<z.input<O>>
}): Tool => ({ scopes: [], ...t }) as Tool

/** A connector with one kind of key: the service is called `api_key`. */
export const apiKey = ({ check, ...service }: Omit<Service, 'title'> & { check: (ctx: ToolContext) => Promise<Checked> }): Auth => ({
  kind: 'api_key',
  services: { api_key: { title: 'API key', ...service } },
  check,
})
