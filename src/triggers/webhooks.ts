/** Subscriptions: which workflow a sender may start, how it signs, and with which secret. */
import type { Scope, Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { type Page, pageOf, readCursor } from '../base/page.ts'
import type { Runs } from '../runs/index.ts'
import type { Secret, Verifying } from '../vault/index.ts'
import { type Outcome, rows, type ShownRow, type WebhookRow } from './rows.ts'
import { schemeOf } from './schemes/read.ts'
import type { Scheme } from './schemes/scheme.ts'

/** How long the old secret is taken too, unless said: Shopify signs with the one before for up to an hour after a change. */
export const OVERLAP_MINUTES = 60

export const INGRESS = '/v1/inbound-webhooks'

export interface WebhookFacts {
  id: string
  name: string
  workflow_id: string
  signature: { scheme: string; header: string; tolerance_seconds: number | null }
  enabled: boolean
  extras: Record<string, unknown>
  automation_pat_id: string | null
  has_secret: boolean
  secret_version: number
  previous_secret_until: string | null
  ingress_url: string
  ingress_path: string
  last_delivery: { at: string; outcome: string } | null
  created_by: string
  created_at: string
  updated_at: string
}
export interface DeliveryFacts {
  id: string
  at: string
  last_at: string
  outcome: Outcome
  code: string | null
  run_id: string | null
  delivery_id: string | null
  count: number
}
/** Both secrets of a rotation that is under way, and what has come signed with each since it began. */
export interface SecretRotation {
  since: string
  until: string
  new: { version: number; deliveries: number; last_delivery_at: string | null }
  old: { version: number; deliveries: number; last_delivery_at: string | null }
}
export interface NewSecret {
  subscription: WebhookFacts
  /** Null: the sender has made it, or will. */
  signing_secret: string | null
}

/** The secrets that count now, the newest first. */
export const liveSecrets = (row: WebhookRow, now: number) =>
  [
    row.secret_version > 0 ? row.secret_version : null,
    row.previous_until !== null && row.previous_until.getTime() > now ? row.previous_secret_version : null,
  ]
    .filter((version) => version !== null)
    .map((version) => secretOf(row, version))

const secretOf = (row: Pick<WebhookRow, 'id' | 'workspace_id' | 'project_id'>, version: number) => ({
  workspace: row.workspace_id,
  project: row.project_id,
  owner: row.id,
  version,
})

export function createWebhooks(deps: {
  vault: Verifying
  runs: Pick<Runs, 'workflows' | 'refuseSecrets'>
  publicUrl: () => string
  now: () => number
}) {
  const { vault, runs, now } = deps

  const show = (row: ShownRow): WebhookFacts => {
    const scheme = schemeOf(row.scheme)
    const overlaps = row.previous_until !== null && row.previous_until.getTime() > now()
    return {
      id: row.id,
      name: row.name,
      workflow_id: row.workflow_id,
      signature: { scheme: scheme.name, header: scheme.signature.header, tolerance_seconds: scheme.timestamp?.toleranceS ?? null },
      enabled: row.enabled,
      extras: row.extras as Record<string, unknown>,
      automation_pat_id: row.automation_pat_id,
      has_secret: row.secret_version > 0,
      secret_version: row.secret_version,
      previous_secret_until: overlaps ? row.previous_until!.toISOString() : null,
      ingress_url: `${deps.publicUrl()}${INGRESS}/${row.id}`,
      ingress_path: `${INGRESS}/${row.id}`,
      last_delivery: row.last_at && row.last_outcome ? { at: row.last_at.toISOString(), outcome: row.last_outcome } : null,
      created_by: row.created_by,
      created_at: row.created_at.toISOString(),
      updated_at: row.updated_at.toISOString(),
    }
  }
  const missing = (id: string) => fail('NOT_FOUND', `there is no inbound webhook ${id}`)
  const get = async (tx: Tx, id: string): Promise<WebhookFacts> => show((await rows.shown(tx, id)) ?? missing(id))

  async function mustStart(tx: Tx, workflowId: string): Promise<void> {
    const { archived, name } = await runs.workflows.get(tx, workflowId)
    if (archived) fail('CONFLICT', `the workflow ${name} is archived`, { hint: 'Name one that can start.' })
  }
  /** Makes a version of the secret, or takes the sender's. */
  async function seal(tx: Tx, row: WebhookRow, scheme: Scheme, version: number, provided: Secret | undefined): Promise<string | null> {
    const at = secretOf(row, version)
    if (provided === undefined) return vault.issue(tx, at, scheme.secret.key)
    if (scheme.secret.from === 'us')
      fail('INVALID_INPUT', `provided_secret is not taken with the scheme ${scheme.name}`, {
        hint: 'We make the secret: the answer shows it once.',
      })
    await vault.adopt(tx, at, provided, scheme.secret)
    return null
  }

  async function rotation(tx: Tx, row: WebhookRow): Promise<SecretRotation | null> {
    const { previous_secret_version: old, previous_until: until, secret_since: since } = row
    if (old === null || until === null || since === null || until.getTime() <= now()) return null
    const seen = await rows.signedSince(tx, row.id, since)
    const of = (version: number) => {
      const it = seen.find((s) => s.secret_version === version)
      return { version, deliveries: it?.deliveries ?? 0, last_delivery_at: it?.last_at.toISOString() ?? null }
    }
    return { since: since.toISOString(), until: until.toISOString(), new: of(row.secret_version), old: of(old) }
  }
  /** The row, locked, with the rotation that is under way. */
  async function rotating(tx: Tx, id: string): Promise<{ row: WebhookRow; it: SecretRotation }> {
    const row = (await rows.lock(tx, id)) ?? missing(id)
    const it = await rotation(tx, row)
    if (it === null)
      return fail('CONFLICT', 'this webhook has one secret, and no rotation is under way', { hint: 'rotate-secret begins one.' })
    return { row, it }
  }

  return {
    get,
    rotation: async (tx: Tx, id: string): Promise<SecretRotation | null> => rotation(tx, (await rows.byId(tx, id)) ?? missing(id)),

    /** Ends the secret before: what is still signed with it is refused from now on. */
    async finishRotation(tx: Tx, id: string, confirmed: boolean): Promise<SecretRotation> {
      const { it } = await rotating(tx, id)
      if (!confirmed)
        fail(
          'REFUSED',
          `not finished: ${it.old.deliveries} came signed with the old secret since the change, ${it.new.deliveries} with the new one`,
          {
            hint: 'Send confirm: true once the sender signs with the new one.',
            details: { old: it.old, new: it.new },
          },
        )
      await vault.drop(tx, id, it.old.version)
      await rows.update(tx, id, { previous_secret_version: null, previous_until: null, updated_at: new Date(now()) })
      return it
    },
    /** The secret before counts again, and the new one is destroyed. */
    async rollBackRotation(tx: Tx, id: string): Promise<SecretRotation> {
      const { row, it } = await rotating(tx, id)
      await vault.drop(tx, id, it.new.version)
      await rows.update(tx, id, {
        secret_version: it.old.version,
        last_secret_version: row.secret_version,
        previous_secret_version: null,
        previous_until: null,
        updated_at: new Date(now()),
      })
      return it
    },
    mark: rows.mark,
    /** Those that start one of these workflows. */
    ofWorkflows: async (tx: Tx, ids: readonly string[]): Promise<WebhookFacts[]> =>
      ids.length === 0 ? [] : (await rows.ofWorkflows(tx, ids)).map(show),
    async list(tx: Tx, limit: number, cursor: string | undefined, workflowId?: string): Promise<Page<WebhookFacts>> {
      return pageOf(await rows.page(tx, limit + 1, readCursor(cursor), workflowId), limit, (r) => r.id, show)
    },
    async deliveries(tx: Tx, id: string, limit: number, cursor: string | undefined): Promise<Page<DeliveryFacts>> {
      if (!(await rows.byId(tx, id))) missing(id)
      const found = await rows.deliveries(tx, id, limit + 1, readCursor(cursor))
      return pageOf(
        found,
        limit,
        (d) => d.id,
        (d) => ({
          id: d.id,
          at: d.at.toISOString(),
          last_at: d.last_at.toISOString(),
          outcome: d.outcome,
          code: d.code,
          run_id: d.run_id,
          delivery_id: d.delivery_id,
          count: d.count,
        }),
      )
    },

    /** `extras` become part of every run's input, and are held to the same rule. Faults: SECRET_IN_GRAPH. */
    refuseSecrets: (scope: Scope, extras: Record<string, unknown> | undefined): Promise<void> =>
      extras === undefined ? Promise.resolve() : runs.refuseSecrets(scope, extras, 'extras'),

    async create(
      tx: Tx,
      scope: Scope,
      input: {
        workflow_id: string
        name: string
        scheme: string
        extras: Record<string, unknown>
        automation_pat_id: string | null
        provided_secret: Secret | undefined
        createdBy: string
      },
    ): Promise<NewSecret & { verify_token: string | null }> {
      await mustStart(tx, input.workflow_id)
      const scheme = schemeOf(input.scheme)
      // Stripe shows its secret only once it knows the URL: until it is given here, nothing that comes is taken.
      const later = scheme.secret.from === 'sender' && input.provided_secret === undefined
      const at = new Date(now())
      const row: WebhookRow = {
        id: newId('hook', at.getTime()),
        workspace_id: scope.workspace,
        project_id: scope.project,
        workflow_id: input.workflow_id,
        name: input.name,
        scheme: scheme.name,
        enabled: true,
        extras: input.extras,
        automation_pat_id: input.automation_pat_id,
        secret_version: later ? 0 : 1,
        previous_secret_version: null,
        previous_until: null,
        secret_since: at,
        last_secret_version: 0,
        created_by: input.createdBy,
        created_at: at,
        updated_at: at,
      }
      await rows.insert(tx, row)
      const signing_secret = later ? null : await seal(tx, row, scheme, 1, input.provided_secret)
      const verify_token = scheme.handshake ? vault.handshakeToken(row.workspace_id, row.id) : null
      return { subscription: await get(tx, row.id), signing_secret, verify_token }
    },

    async update(
      tx: Tx,
      id: string,
      set: {
        name?: string | undefined
        enabled?: boolean | undefined
        extras?: Record<string, unknown> | undefined
        workflow_id?: string | undefined
      },
    ): Promise<WebhookFacts> {
      if (!(await rows.lock(tx, id))) missing(id)
      if (set.workflow_id !== undefined) await mustStart(tx, set.workflow_id)
      const given = Object.fromEntries(Object.entries(set).filter(([, value]) => value !== undefined))
      await rows.update(tx, id, { ...given, updated_at: new Date(now()) })
      return get(tx, id)
    },

    async remove(tx: Tx, id: string): Promise<void> {
      if (!(await rows.lock(tx, id))) missing(id)
      await vault.drop(tx, id)
      await rows.remove(tx, id)
    },

    /** The new one counts at once; the one before it until the overlap ends. */
    async rotate(tx: Tx, id: string, provided: Secret | undefined, overlapMinutes = OVERLAP_MINUTES): Promise<NewSecret> {
      const row = (await rows.lock(tx, id)) ?? missing(id)
      const scheme = schemeOf(row.scheme)
      if (scheme.secret.from === 'sender' && provided === undefined)
        fail('INVALID_INPUT', `${scheme.title} makes the secret: provided_secret is missing`, { hint: `It ${scheme.secret.says}.` })
      const version = Math.max(row.secret_version, row.last_secret_version) + 1
      const keeps = row.secret_version > 0 && overlapMinutes > 0
      if (row.previous_secret_version !== null) await vault.drop(tx, id, row.previous_secret_version)
      if (!keeps && row.secret_version > 0) await vault.drop(tx, id, row.secret_version)
      const signing_secret = await seal(tx, row, scheme, version, provided)
      await rows.update(tx, id, {
        secret_version: version,
        last_secret_version: version,
        previous_secret_version: keeps ? row.secret_version : null,
        previous_until: keeps ? new Date(now() + overlapMinutes * 60_000) : null,
        secret_since: new Date(now()),
        updated_at: new Date(now()),
      })
      return { subscription: await get(tx, id), signing_secret }
    },
  }
}
export type Webhooks = ReturnType<typeof createWebhooks>
