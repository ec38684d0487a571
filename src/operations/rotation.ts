/** A new credential in place of the one in use, with no failed call: staged, checked everywhere, tried, switched to, and the old one ended. */
import { z } from 'zod'
import { signedText } from '../access/index.ts'
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { type Page, pageOf, readCursor } from '../base/page.ts'
import { LONGEST_OVERLAP_MINUTES, OVERLAP_MINUTES, type RotationRow } from '../connections/index.ts'
import { secretField } from '../vault/index.ts'
import { checkAll, placesOf } from './rotation-checks.ts'
import { latest, noted, now, READ, type Rotation, rotation, shown, WRITE } from './rotation-shapes.ts'
import { type Ctx, operation, type Rooms } from './operation.ts'
import { cursor, id, json, limit, page } from './shapes.ts'

export const begin = operation({
  name: 'rotations.begin',
  http: 'POST /v1/connections/{id}/rotation',
  about: 'Store a new credential beside the one in use, which goes on serving. Nothing uses the new one before it is switched to.',
  ...WRITE,
  audit: { log: 'rotation.staged' },
  status: 201,
  idempotent: true,
  hideFrom: { mcp: 'it takes a credential, which a model must not hold' },
  input: z.strictObject({
    id: id('connection'),
    credentials: z
      .record(z.string().max(100), secretField('the new value; write-only'))
      .describe('fields that stay the same may be left out'),
    reason: z.enum(['scheduled', 'leaked']).default('scheduled').describe('leaked: the old one is to end at once, so there is no overlap'),
  }),
  output: rotation,
  run: async (rooms, { scope, caller, act }, input) => {
    const write = await rooms.connections.rotations.stage(scope, input.id, { ...input, by: caller.actor, name: caller.userName })
    let row: RotationRow | undefined
    return act(
      async (tx) => {
        row = await write(tx)
        return shown(rooms, tx, row)
      },
      () => noted(row as RotationRow, { reason: input.reason }),
    )
  },
})

export const get = operation({
  name: 'rotations.get',
  http: 'GET /v1/connections/{id}/rotation',
  about: 'The latest rotation of a connection: its state, the results of each step, and the calls seen on each version.',
  ...READ,
  input: z.strictObject({ id: id('connection') }),
  output: rotation,
  run: async (rooms, ctx, input) => now(rooms, ctx, await ctx.read((tx) => latest(rooms, tx, input.id))),
})

export const list = operation({
  name: 'rotations.list',
  http: 'GET /v1/connections/{id}/rotations',
  about: 'All rotations of a connection, newest first.',
  ...READ,
  input: z.strictObject({ id: id('connection'), limit, cursor }),
  output: page(rotation),
  run: async (rooms, { read }, input): Promise<Page<z.input<typeof rotation>>> => {
    await rooms.uses.flush()
    return read(async (tx) => {
      await rooms.connections.get(tx, input.id)
      const found = await rooms.connections.rotations.list(tx, input.id, input.limit + 1, readCursor(input.cursor))
      const { items, next_cursor } = pageOf(
        found,
        input.limit,
        (r) => r.id,
        (r) => r,
      )
      return { items: await Promise.all(items.map((r) => shown(rooms, tx, r))), next_cursor }
    })
  },
})

export const validate = operation({
  name: 'rotations.validate',
  http: 'POST /v1/connections/{id}/rotation/validate',
  about: 'Check the new credential at every instance that is bound to the connection: one live call and one result each.',
  ...WRITE,
  audit: { log: 'rotation.validated' },
  input: z.strictObject({
    id: id('connection'),
    exclude: z.array(z.string().max(80)).max(500).default([]).describe('instances that stay on the old version, and are not checked'),
  }),
  output: rotation,
  run: async (rooms, ctx, input) => {
    const [row, live] = await ctx.read((tx) => Promise.all([latest(rooms, tx, input.id), rooms.connections.get(tx, input.id)]))
    await ctx.read((tx) => rooms.connections.rotations.mustBeAble(tx, input.id, 'validate'))
    const excluded = [...new Set(input.exclude)]
    const results = await checkAll(rooms, ctx, row, live, await placesOf(rooms, ctx, input.id), excluded)
    const after = await ctx.act(
      (tx) => rooms.connections.rotations.validated(tx, ctx.scope, input.id, row.id, results, excluded, ctx.caller.actor),
      (it) => noted(it, { failed: results.filter((r) => r.outcome === 'failed').length, excluded }),
    )
    return now(rooms, ctx, after)
  },
})

/** Why it had better not be switched to now; null: nothing speaks against it. */
async function whyNot(rooms: Rooms, tx: Tx, row: RotationRow): Promise<string | null> {
  if (row.state !== 'validated') {
    const failed = row.results.filter((r) => r.outcome === 'failed').map((r) => r.instance_name ?? 'its own check')
    return row.validated_at === null ? 'the new credential has not been validated' : `the new credential has failed at ${failed.join(', ')}`
  }
  const seen = new Set(row.results.map((r) => r.profile_id))
  const late = (await rooms.bindings.usedBy(tx, row.connection_id)).filter((p) => p.is_active && !seen.has(p.id))
  const stale = (await rooms.bindings.usedBy(tx, row.connection_id)).filter(
    (p) => p.is_active && row.results.some((r) => r.profile_id === p.id && r.outcome === 'inactive'),
  )
  const unchecked = [...late, ...stale].map((p) => p.instance_name)
  if (unchecked.length > 0) return `${unchecked.join(', ')} came to use this connection after the validation`
  const { test: it } = (await shown(rooms, tx, row)) as Rotation
  if (it?.kind === 'run' && it.ok === null) return `the test run ${it.run_id} is under way`
  return it && it.kind !== 'skipped' && it.ok === false ? 'the test has failed' : null
}

export const promote = operation({
  name: 'rotations.promote',
  http: 'POST /v1/connections/{id}/rotation/promote',
  about: 'Switch to the new credential: new steps take it, steps in flight end on the old one. Refused unless the validation has passed.',
  ...WRITE,
  audit: { log: 'rotation.switched' },
  input: z.strictObject({
    id: id('connection'),
    overlap_minutes: z
      .number()
      .int()
      .min(0)
      .max(LONGEST_OVERLAP_MINUTES)
      .optional()
      .describe(`how long the old one stays as a fallback: ${OVERLAP_MINUTES}, or 0 where it has leaked; 0 destroys it at once`),
    force: z.boolean().default(false).describe('also where the validation or the test has not passed'),
  }),
  output: rotation,
  run: async (rooms, ctx, input) => {
    const { rotations } = rooms.connections
    const done = await ctx.act(
      async (tx) => {
        const { rotation: row } = await rotations.toSwitch(tx, input.id)
        const why = await whyNot(rooms, tx, row)
        if (why !== null && !input.force)
          fail('REFUSED', `not switched: ${why}`, { hint: 'Mend that and validate again, or send force: true.', details: { reason: why } })
        const overlapMinutes = input.overlap_minutes ?? (row.reason === 'leaked' ? 0 : OVERLAP_MINUTES)
        const keep = rooms.connections.revocation.isPossible(await rooms.connections.row(tx, input.id))
        return rotations.switch(tx, ctx.scope, input.id, { overlapMinutes, forced: why !== null, by: ctx.caller.actor, keep })
      },
      ({ rotation: row }) => noted(row, { forced: row.forced, overlap_until: row.overlap_until?.toISOString() }),
    )
    await rotations.settled('switch', done)
    if (done.rotation.reason !== 'leaked' || done.rotation.old_destroyed_at !== null) return now(rooms, ctx, done.rotation)
    // What has leaked is ended at its provider in the same breath, where that can be done from here.
    const outcome = await revokeOld(rooms, ctx, input.id)
    if (outcome === 'revoked') return end(rooms, ctx, input.id, 'revoked')
    const gone = await ctx.act(
      (tx) => rotations.destroyOld(tx, input.id, ctx.caller.actor),
      (it) => noted(it.rotation, { revocation: outcome }),
    )
    await rotations.settled('finish', gone)
    return now(rooms, ctx, gone.rotation)
  },
})

export const rollback = operation({
  name: 'rotations.rollback',
  http: 'POST /v1/connections/{id}/rotation/rollback',
  about: 'Back to the old credential, or away with a staged one. The new one is destroyed here.',
  ...WRITE,
  audit: { log: 'rotation.rolled_back' },
  input: z.strictObject({ id: id('connection') }),
  output: rotation,
  run: async (rooms, ctx, input) => {
    const { rotations } = rooms.connections
    const done = await ctx.act(
      (tx) => rotations.rollback(tx, ctx.scope, input.id, ctx.caller.actor),
      (it) => noted(it.rotation),
    )
    await rotations.settled('rollback', done)
    return now(rooms, ctx, done.rotation)
  },
})

/** Ends the old version at its provider, where that has an interface for it: while it is still here, and before anything says that it is over. */
async function revokeOld(rooms: Rooms, ctx: Ctx, connectionId: string): Promise<'revoked' | 'failed' | 'unsupported'> {
  const [row, connection, places] = await ctx.read((tx) =>
    Promise.all([latest(rooms, tx, connectionId), rooms.connections.row(tx, connectionId), rooms.bindings.usedBy(tx, connectionId)]),
  )
  if (row.old_destroyed_at !== null) return 'unsupported'
  const config = (places.find((p) => p.is_active)?.config ?? {}) as Record<string, unknown>
  const old = { ...connection, public: row.old_public }
  return rooms.connections.revocation.revoke(ctx.scope, old, row.old_version, config, ctx.caller.actor)
}
const end = async (rooms: Rooms, ctx: Ctx, connectionId: string, revoked: RotationRow['revoked']) => {
  const { rotations } = rooms.connections
  const done = await ctx.act(
    (tx) => rotations.finish(tx, ctx.scope, connectionId, ctx.caller.actor, revoked),
    (it) => noted(it.rotation, { revoked_at_provider: revoked }),
  )
  await rotations.settled('finish', done)
  return now(rooms, ctx, done.rotation)
}

export const finish = operation({
  name: 'rotations.finish',
  http: 'POST /v1/connections/{id}/rotation/finish',
  about:
    'Destroy the old credential here. Its provider is told to revoke it where it has an interface for that; otherwise confirm that you have. Without either it says how often the old one is still used.',
  ...WRITE,
  effect: 'destroy',
  audit: { log: 'rotation.finished' },
  input: z.strictObject({
    id: id('connection'),
    confirm: z.boolean().default(false).describe('I have revoked the old one at its provider'),
  }),
  output: rotation,
  run: async (rooms, ctx, input) => {
    await ctx.read((tx) => rooms.connections.rotations.mustBeAble(tx, input.id, 'finish'))
    if (input.confirm) return end(rooms, ctx, input.id, 'confirmed')
    await rooms.uses.flush()
    const it = await ctx.read(async (tx) => shown(rooms, tx, await latest(rooms, tx, input.id)))
    const left = it.results.filter((r) => r.outcome === 'excluded').map((r) => r.instance_name)
    const idle = left.length === 0 && it.old.calls === 0
    // Nobody needs it any more, and its provider can be told: that is all that a person would confirm.
    const outcome = idle ? await revokeOld(rooms, ctx, input.id) : 'unsupported'
    if (outcome === 'revoked') return end(rooms, ctx, input.id, 'revoked')
    const calls = `${it.old.calls} call${it.old.calls === 1 ? '' : 's'} with the old credential since the switch`
    const stay = left.length > 0 ? `, and ${left.join(', ')} still stay${left.length === 1 ? 's' : ''} on it` : ''
    return fail('REFUSED', `not finished: ${outcome === 'failed' ? 'the provider did not revoke the old credential' : calls + stay}`, {
      hint: 'Revoke it at its provider, and send confirm: true.',
      details: { calls_on_old: it.old.calls, old_last_used_at: it.old.last_used_at, excluded: left, revocation: outcome },
    })
  },
})

export const evidence = operation({
  name: 'rotations.evidence',
  http: 'GET /v1/connections/{id}/rotations/{rotation_id}/evidence',
  about: 'The record of a rotation for whoever must prove it: who, when, what was checked, which test, last use of the old one. Signed.',
  ...READ,
  scope: 'audit:read',
  input: z.strictObject({ id: id('connection'), rotation_id: id('rotation') }),
  output: z.object({
    evidence: z.object({ workspace: z.string(), project: z.string(), connection: json, rotation, exported_at: z.string() }),
    key_id: z.string(),
    public_key: z.string().describe('Ed25519, 32 bytes in base64url'),
    signature: z.string().describe('of "agentruntime rotation evidence v1", a zero byte and `evidence` as canonical JSON (RFC 8785)'),
  }),
  run: async (rooms, ctx, input) => {
    const [row, facts] = await ctx.read((tx) =>
      Promise.all([rooms.connections.rotations.get(tx, input.id, input.rotation_id), rooms.connections.get(tx, input.id)]),
    )
    if (!row) return fail('NOT_FOUND', `there is no rotation ${input.rotation_id} of this connection`)
    const it = {
      workspace: ctx.scope.workspace,
      project: ctx.scope.project,
      connection: { id: facts.id, name: facts.name, provider: facts.provider, service: facts.service, environment: facts.environment },
      rotation: await now(rooms, ctx, row),
      exported_at: new Date(ctx.now()).toISOString(),
    }
    return { evidence: it, ...signedText(rooms.vault.signer, 'rotation evidence', it) }
  },
})
