/** The new version at every place where the connection is bound: one live check each, side by side. */
import { fail } from '../base/errors.ts'
import type { ConnectionFacts, RotationResult, RotationRow } from '../connections/index.ts'
import type { Ctx, Rooms } from './operation.ts'

/** So many at a time: a vendor that counts requests is asked as by a few users, not as by an attack. */
const SIDE_BY_SIDE = 8
/** A check is one cheap call; what takes longer than this does not answer. */
const CHECK_MS = 20_000

type Place = Awaited<ReturnType<Rooms['bindings']['usedBy']>>[number]

/** Which profiles must pass before a switch: those that serve. */
export const placesOf = async (rooms: Rooms, { read }: Pick<Ctx, 'read'>, id: string): Promise<Place[]> =>
  read((tx) => rooms.bindings.usedBy(tx, id))

export async function checkAll(
  { connections }: Rooms,
  ctx: Pick<Ctx, 'scope' | 'caller' | 'signal' | 'progress'>,
  row: RotationRow,
  live: ConnectionFacts,
  places: readonly Place[],
  excluded: readonly string[],
): Promise<RotationResult[]> {
  const { scope, caller } = ctx
  for (const one of excluded)
    if (!places.some((p) => p.instance_id === one)) fail('INVALID_INPUT', `exclude names ${one}, where this connection is not bound`)
  const bare = { latency_ms: null, account: null, granted_scopes: null, expires_at: null, warnings: [], problem: null }
  const nameOf = (p: Place) => ({
    instance_id: p.instance_id,
    instance_name: p.instance_name,
    profile_id: p.id,
    environment: p.environment,
  })

  async function check(place: Place | null): Promise<RotationResult> {
    const named = place ? nameOf(place) : { instance_id: null, instance_name: null, profile_id: null, environment: null }
    const at = {
      connector: place?.server ?? null,
      config: (place?.config ?? {}) as Record<string, unknown>,
      actor: caller.actor,
      signal: AbortSignal.any([ctx.signal, AbortSignal.timeout(CHECK_MS)]),
    }
    const { checked, problem, latency_ms } = await connections.checkVersion(scope, live.id, row.new_version, at)
    const found = problem
      ? { code: problem.code as string, message: problem.message, hint: problem.hint ?? null }
      : checked && differs(live, checked)
    ctx.progress({ checked: named.instance_name ?? live.name, outcome: found ? 'failed' : 'passed' })
    return {
      ...named,
      outcome: found ? 'failed' : 'passed',
      latency_ms,
      account: checked?.account ?? null,
      granted_scopes: checked?.granted_scopes ?? null,
      expires_at: checked?.expires_at ?? null,
      warnings: checked?.warnings ?? [],
      problem: found,
    }
  }

  if (!places.some((p) => p.is_active))
    return [await check(null), ...places.map((p) => ({ ...nameOf(p), outcome: 'inactive' as const, ...bare }))]
  const out: RotationResult[] = []
  const due: Place[] = []
  for (const place of places)
    if (!place.is_active) out.push({ ...nameOf(place), outcome: 'inactive', ...bare })
    else if (excluded.includes(place.instance_id)) out.push({ ...nameOf(place), outcome: 'excluded', ...bare })
    else due.push(place)
  for (let i = 0; i < due.length; i += SIDE_BY_SIDE) out.push(...(await Promise.all(due.slice(i, i + SIDE_BY_SIDE).map(check))))
  return out
}

/** A key that works can still be the wrong one: somebody else's, or one that may do less. */
function differs(
  live: ConnectionFacts,
  checked: { account: { id: string; label: string } | null; granted_scopes: string[] | null },
): RotationResult['problem'] {
  if (live.account && checked.account && live.account.id !== checked.account.id)
    return {
      code: 'ACCOUNT_MISMATCH',
      message: `it works, and belongs to ${checked.account.label}; the one in use belongs to ${live.account.label}`,
      hint: 'Make the new one in the same account, or switch by force.',
    }
  const lost = checked.granted_scopes === null ? [] : (live.granted_scopes ?? []).filter((s) => !checked.granted_scopes?.includes(s))
  if (lost.length === 0) return null
  return {
    code: 'SCOPE_MISSING',
    message: `it works, and may not do what the one in use may: ${lost.join(', ')}`,
    hint: 'Give the new one the same permissions, or switch by force.',
  }
}
