/**
 * The rotation of a credential, one act at a time: `staged → validated → switched → finished`, or `cancelled`, `rolled_back`. Each act is one
 * transaction that locks the connection first, so two at once wait for each other and a process that dies leaves either all of it or nothing.
 * The live version is what the connection's row says, and nothing else: switching is one update of one number.
 */
import type { Db, Scope, Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Lending, Secret } from '../vault/index.ts'
import type { Successor } from './store.ts'
import type { ConnectionRow } from './rows.ts'
import { rows } from './rows.ts'
import { type Act, MAY, NEXT, PAST, SETTLED } from './rotation-states.ts'
import {
  type FieldPrint,
  type RotationAct,
  type RotationResult,
  type RotationRow,
  rotations,
  type RotationTest,
  type WhyRotate,
} from './rotation-rows.ts'

/** What is staged and forgotten is destroyed: a week holds a holiday, and a key that nobody uses is only a risk. */
export const STAGED_FOR_MS = 7 * 86_400_000
/** How long the old version stays as a fallback unless said otherwise, and at most. Minutes. */
export const OVERLAP_MINUTES = 60
export const LONGEST_OVERLAP_MINUTES = 7 * 24 * 60
/** An alarm is given this often for one rotation: whoever reads it acts, and the count goes on. */
const ALARM_EVERY_MS = 300_000

export interface Finished {
  rotation: RotationRow
  connection: ConnectionRow
}

export function createRotations(deps: {
  db: Db
  vault: Pick<Lending, 'put' | 'drop' | 'facts' | 'forget' | 'drain'>
  must: (tx: Tx, id: string, lock?: boolean) => Promise<ConnectionRow>
  /** Checks what was entered for the next version. */
  successor: (scope: Scope, id: string, credentials: Readonly<Record<string, Secret>>) => Promise<Successor>
  event: (tx: Tx, scope: Scope, id: string, type: string, data?: Record<string, unknown>) => Promise<unknown>
  forget: (id: string) => void
  now: () => number
  fault?: ((point: string) => void | Promise<void>) | undefined
}) {
  const { db, vault, now } = deps
  const at = (row: Pick<ConnectionRow, 'workspace_id' | 'project_id' | 'id'>, version: number) => ({
    workspace: row.workspace_id,
    project: row.project_id,
    owner: row.id,
    version,
  })
  const prints = async (tx: Tx, id: string, version: number): Promise<FieldPrint[]> =>
    (await vault.facts(tx, id, version)).map((f) => ({ field: f.field, fingerprint: f.fingerprint, last_four: f.lastFour }))
  const acted = (row: Pick<RotationRow, 'acts'>, by: string, act: string, details?: Record<string, unknown>): RotationAct[] => [
    ...row.acts,
    { at: new Date(now()).toISOString(), by, act, ...(details ? { details } : {}) },
  ]

  /** Connection and rotation, locked in this order, where the act is possible now. */
  async function locked(tx: Tx, id: string, act: Act): Promise<{ connection: ConnectionRow; rotation: RotationRow }> {
    const connection = await deps.must(tx, id, true)
    const rotation =
      (await rotations.lock(tx, id)) ??
      fail('NOT_FOUND', `${connection.name} has no rotation`, { hint: `POST /v1/connections/${id}/rotation stages a new credential.` })
    if (!MAY[act].includes(rotation.state))
      fail('CONFLICT', `this rotation cannot be ${PAST[act]} now`, {
        hint: NEXT[rotation.state],
        details: { rotation_id: rotation.id, state: rotation.state },
      })
    return { connection, rotation }
  }
  /** With it the connection counts as changed, for whoever looks at it. */
  async function write(tx: Tx, { id, connection_id }: RotationRow, set: Partial<RotationRow>): Promise<RotationRow> {
    await rows.update(tx, connection_id, { updated_at: new Date(now()) })
    return (await rotations.update(tx, id, set)) ?? fail('NOT_FOUND', 'the rotation is gone')
  }

  return {
    open: rotations.open,
    latest: rotations.latest,
    get: rotations.get,
    list: rotations.list,

    /** Faults: NOT_FOUND, CONFLICT. For what is long, and had better not begin. */
    mustBeAble: async (tx: Tx, id: string, act: Act): Promise<void> => void (await locked(tx, id, act)),

    /** Stores a new version beside the live one, which goes on serving. Faults: CONFLICT where one is under way or nothing is new. */
    async stage(
      scope: Scope,
      id: string,
      input: { credentials: Readonly<Record<string, Secret>>; reason: WhyRotate; by: string; name: string },
    ): Promise<(tx: Tx) => Promise<RotationRow>> {
      const next = await deps.successor(scope, id, input.credentials)
      return async (tx) => {
        const connection = await deps.must(tx, id, true)
        const under = await rotations.open(tx, id)
        if (under)
          fail('CONFLICT', `${connection.name} is being rotated already`, {
            hint: NEXT[under.state],
            details: { rotation_id: under.id, state: under.state },
          })
        const version = Math.max(connection.credential_version, connection.last_version) + 1
        const old = await prints(tx, id, connection.credential_version)
        await vault.put(tx, at(connection, version), next.secret, { wire: next.wire, keepFrom: connection.credential_version })
        const fresh = await prints(tx, id, version)
        const known = new Map(old.map((f) => [f.field, f.fingerprint]))
        if (fresh.every((f) => known.get(f.field) === f.fingerprint))
          fail('CONFLICT', 'that is the credential which is in use already', { hint: 'Make a new one at the provider, and enter that.' })
        await rows.update(tx, id, { last_version: version, updated_at: new Date(now()) })
        const row = await rotations.insert(tx, {
          id: newId('rot', now()),
          workspace_id: scope.workspace,
          project_id: scope.project,
          connection_id: id,
          state: 'staged',
          reason: input.reason,
          old_version: connection.credential_version,
          new_version: version,
          old_public: connection.public,
          new_public: { ...connection.public, ...next.public },
          fields: { old, new: fresh },
          acts: acted({ acts: [] }, input.by, 'staged', { credential_version: version, name: input.name }),
          created_by: input.by,
          created_at: new Date(now()),
          expires_at: new Date(now() + STAGED_FOR_MS),
        })
        await deps.event(tx, scope, id, 'rotation_staged', { credential_version: version, reason: input.reason })
        await deps.fault?.('rotation.stage.before_commit')
        return row as RotationRow
      }
    },

    /** Writes down how the checks went. It is validated where each place that is not left out has passed. */
    async validated(
      tx: Tx,
      scope: Scope,
      id: string,
      of: string,
      results: RotationResult[],
      excluded: string[],
      by: string,
    ): Promise<RotationRow> {
      const { rotation } = await locked(tx, id, 'validate')
      if (rotation.id !== of) fail('CONFLICT', 'another rotation has begun meanwhile', { hint: NEXT[rotation.state] })
      const failed = results.filter((r) => r.outcome === 'failed').length
      const passed = results.filter((r) => r.outcome === 'passed').length
      const state = failed === 0 && passed > 0 ? 'validated' : 'staged'
      const details = { passed, failed, excluded: excluded.length }
      await deps.event(tx, scope, id, 'rotation_validated', { ok: state === 'validated', ...details })
      await deps.fault?.('rotation.validate.before_commit')
      return write(tx, rotation, {
        state,
        results,
        excluded,
        validated_at: new Date(now()),
        acts: acted(rotation, by, 'validated', details),
      })
    },

    async tested(tx: Tx, scope: Scope, id: string, test: RotationTest): Promise<RotationRow> {
      const { rotation } = await locked(tx, id, 'test')
      const { at: _, by, ...details } = test
      await deps.event(tx, scope, id, 'rotation_tested', details)
      await deps.fault?.('rotation.test.before_commit')
      return write(tx, rotation, { test, acts: acted(rotation, by, test.kind === 'skipped' ? 'test_skipped' : 'tested', details) })
    },

    /** Locks, for whoever looks before a switch: nothing of the rotation changes until this transaction ends. */
    toSwitch: (tx: Tx, id: string) => locked(tx, id, 'switch'),

    /**
     * The new version serves from the commit on, everywhere. Without an overlap the old one is destroyed in the same moment, unless it is kept
     * for its revocation: nothing falls back on it, and what is left of it ends with the next round.
     */
    async switch(
      tx: Tx,
      scope: Scope,
      id: string,
      how: { overlapMinutes: number; forced: boolean; by: string; keep?: boolean },
    ): Promise<Finished> {
      const { connection, rotation } = await locked(tx, id, 'switch')
      if (connection.credential_version !== rotation.old_version)
        fail('CONFLICT', 'the credential was replaced meanwhile', { hint: 'Roll this rotation back, and stage the new credential again.' })
      if (how.overlapMinutes === 0 && rotation.excluded.length > 0)
        fail('REFUSED', 'instances that stay on the old version need it: without an overlap there is none', {
          hint: 'Give overlap_minutes, or leave nothing out.',
          details: { excluded: rotation.excluded },
        })
      const time = new Date(now())
      const proof = rotation.results.find((r) => r.outcome === 'passed')
      const status = rotation.state === 'validated' ? 'active' : 'unverified'
      const after = (await rows.update(tx, id, {
        credential_version: rotation.new_version,
        public: rotation.new_public,
        warnings: proof?.warnings ?? [],
        expires_at: proof?.expires_at ? new Date(proof.expires_at) : null,
        ...(proof ? { last_validated_at: rotation.validated_at, granted_scopes: proof.granted_scopes } : {}),
        ...(proof?.account ? { account: proof.account } : {}),
        ...(connection.status === 'disabled' ? {} : { status, status_reason: null, status_since: time }),
        updated_at: time,
      })) as ConnectionRow
      const destroys = how.overlapMinutes === 0 && !how.keep
      if (destroys) await vault.drop(tx, id, rotation.old_version)
      const details = {
        credential_version: rotation.new_version,
        overlap_minutes: how.overlapMinutes,
        ...(how.forced ? { forced: true } : {}),
      }
      await deps.event(tx, scope, id, 'rotated', details)
      const row = await write(tx, rotation, {
        state: 'switched',
        forced: how.forced,
        switched_at: time,
        overlap_until: new Date(now() + how.overlapMinutes * 60_000),
        ...(destroys ? { old_destroyed_at: time } : {}),
        acts: acted(rotation, how.by, 'switched', details),
      })
      await deps.fault?.('rotation.switch.before_commit')
      return { rotation: row, connection: after }
    },

    /** Before the switch: the new version is destroyed. After it: the old one serves again, from the commit on. */
    async rollback(tx: Tx, scope: Scope, id: string, by: string, why?: string): Promise<Finished> {
      const { connection, rotation } = await locked(tx, id, 'rollback')
      const back = rotation.state === 'switched'
      if (back && rotation.old_destroyed_at)
        fail('CONFLICT', 'the old version is destroyed: there is nothing to go back to', { hint: 'Stage a new credential instead.' })
      const state = back ? 'rolled_back' : 'cancelled'
      const time = new Date(now())
      const after = back
        ? ((await rows.update(tx, id, {
            credential_version: rotation.old_version,
            public: rotation.old_public,
            ...(connection.status === 'disabled' ? {} : { status: 'unverified', status_reason: null, status_since: time }),
            updated_at: time,
          })) as ConnectionRow)
        : connection
      await vault.drop(tx, id, rotation.new_version)
      await deps.event(tx, scope, id, back ? 'rotation_rolled_back' : 'rotation_cancelled', {
        credential_version: rotation.old_version,
        ...(why ? { why } : {}),
      })
      const row = await write(tx, rotation, { state, ended_at: time, acts: acted(rotation, by, state, why ? { why } : undefined) })
      await deps.fault?.('rotation.rollback.before_commit')
      return { rotation: row, connection: after }
    },

    /** The old version goes, and the rotation waits for somebody to say that it is dead at its provider. */
    async destroyOld(tx: Tx, id: string, by: string): Promise<Finished> {
      const { connection, rotation } = await locked(tx, id, 'finish')
      await vault.drop(tx, id, rotation.old_version)
      const row = await write(tx, rotation, { old_destroyed_at: new Date(now()), acts: acted(rotation, by, 'old_destroyed') })
      return { rotation: row, connection }
    },

    /** Destroys the old version. `revoked`: who says that it is dead at its provider too. */
    async finish(tx: Tx, scope: Scope, id: string, by: string, revoked: RotationRow['revoked']): Promise<Finished> {
      const { connection, rotation } = await locked(tx, id, 'finish')
      const time = new Date(now())
      if (!rotation.old_destroyed_at) await vault.drop(tx, id, rotation.old_version)
      const details = { credential_version: rotation.new_version, revoked_at_provider: revoked ?? 'not confirmed' }
      await deps.event(tx, scope, id, 'rotation_finished', details)
      const row = await write(tx, rotation, {
        state: 'finished',
        excluded: [],
        revoked,
        old_destroyed_at: rotation.old_destroyed_at ?? time,
        ended_at: time,
        acts: acted(rotation, by, 'finished', details),
      })
      await deps.fault?.('rotation.finish.before_commit')
      return { rotation: row, connection }
    },

    /** After the commit of any act: what this process believes is forgotten, and sessions of other versions end when they are done. */
    async settled(act: 'switch' | 'rollback' | 'finish', { rotation, connection }: Finished): Promise<void> {
      deps.forget(connection.id)
      await deps.fault?.(SETTLED[act])
      const gone = act === 'rollback' ? rotation.new_version : rotation.old_destroyed_at ? rotation.old_version : null
      if (gone !== null) vault.forget(connection.id, gone)
      // Whoever asked does not wait for statements that other calls have under way.
      vault.drain(connection.id, connection.credential_version).catch(() => undefined)
    },

    /** A call went out with a version that was refused, and the other one has answered: counted. Returns whether somebody must be told. */
    async fellBack(scope: Scope, of: string): Promise<boolean> {
      const before = await db.tx(scope, (tx) => rotations.fellBack(tx, of, new Date(now())))
      return before === null || (before !== undefined && before.getTime() <= now() - ALARM_EVERY_MS)
    },

    due: (limit: number) => db.everyTenant('rotations whose time is over', (tx) => rotations.due(tx, new Date(now()), limit)),
  }
}
export type Rotations = ReturnType<typeof createRotations>
