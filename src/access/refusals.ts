/** What the egress guard has refused: counted by rule, and told to the audit log so that a loop cannot flood it. */
import { type Behalf, behalf } from '../base/behalf.ts'
import type { Db, Scope } from '../base/db.ts'
import type { Refusal } from '../base/egress.ts'
import type { Logger } from '../base/log.ts'
import { type Act, appendAudit } from './audit.ts'

/** Of each kind the first is told at once, and how many came after it when this is over. A rule is mended within hours, not within minutes. */
export const WINDOW_MS = 600_000
/** Kinds of a workspace that are told of one by one in that time: a loop over hosts that it makes up gets one more for all the rest. */
export const MAX_KINDS = 100
/** How often windows are looked at that may be over. */
const LOOK_EVERY_MS = 30_000
/** Entries that wait for a database that is away; what comes then is counted and in the log all the same. */
const MAX_WAITING = 10_000
/** A host may be of any length; that of a name is at most this. */
const MAX_HOST = 255

interface Kind {
  scope: Scope
  /** Without the time and the count. */
  act: Act
  ends: number
  /** After the first. */
  more: number
  firstAt: Date
  lastAt: Date
}

export function createRefusals(deps: { db: Db; now: () => number; log: Pick<Logger, 'warn'>; lookEveryMs?: number | undefined }) {
  const { db, now } = deps
  const totals = new Map<string, Map<string, number>>()
  const kinds = new Map<string, Map<string, Kind>>()
  const waiting: { scope: Scope; at: Date; act: Act }[] = []
  let writing: Promise<void> = Promise.resolve()

  function tell(scope: Scope, at: Date, act: Act): void {
    if (waiting.length < MAX_WAITING) waiting.push({ scope, at, act })
    writing = writing.then(write)
  }
  /** In turn. What cannot be written now waits for the next look. */
  async function write(): Promise<void> {
    for (let entry = waiting[0]; entry; entry = waiting[0])
      try {
        const { scope, at, act } = entry
        await db.tx(scope, (tx) => appendAudit(tx, scope, at, act))
        waiting.shift()
      } catch (error) {
        return deps.log.warn({ problem: (error as Error).message }, 'a refusal of the egress guard was not audited yet')
      }
  }

  function note({ host, port, rule }: Refusal): void {
    const of = behalf()
    deps.log.warn({ host, port, rule }, 'egress refused')
    const workspace = of?.scope.workspace ?? ''
    const counts = totals.get(workspace) ?? new Map<string, number>()
    totals.set(workspace, counts.set(rule, (counts.get(rule) ?? 0) + 1))
    if (!of || workspace === '') return // the runtime's own, or a stranger's: no workspace has a log for it
    const known = kinds.get(workspace) ?? new Map<string, Kind>()
    kinds.set(workspace, known)
    const { scope, actor, requestId, ...where } = of
    const at = new Date(now())
    let key = JSON.stringify([scope.project, actor, rule, host, port, where])
    const crowded = !known.has(key) && known.size >= MAX_KINDS
    if (crowded) key = rule
    const kind = known.get(key)
    if (kind) {
      kind.more++
      kind.lastAt = at
      return
    }
    const act = crowded ? crowd(rule) : actOf({ host, port, rule }, actor, where)
    const place = crowded ? { workspace, project: '*' } : scope
    known.set(key, { scope: place, act, ends: at.getTime() + WINDOW_MS, more: 0, firstAt: at, lastAt: at })
    tell(place, at, { ...act, ...(crowded ? {} : { requestId }), details: { ...act.details, count: 1 } })
  }

  /** Tells of what came after the first, where the window is over. */
  function look(everything = false): Promise<void> {
    const at = now()
    for (const [workspace, known] of kinds) {
      for (const [key, kind] of known) {
        if (!everything && kind.ends > at) continue
        known.delete(key)
        const { scope, act, more, firstAt, lastAt } = kind
        const details = { ...act.details, count: more, first_at: firstAt.toISOString(), last_at: lastAt.toISOString() }
        if (more > 0) tell(scope, new Date(at), { ...act, details })
      }
      if (known.size === 0) kinds.delete(workspace)
    }
    writing = writing.then(write)
    return writing
  }
  const timer = setInterval(() => void look(), deps.lookEveryMs ?? LOOK_EVERY_MS).unref()

  return {
    note,
    look,
    /** Of a workspace, since this process began. */
    counts: (workspace: string): { rule: string; count: number }[] =>
      [...(totals.get(workspace) ?? [])].map(([rule, count]) => ({ rule, count })).sort((a, b) => b.count - a.count),
    async close(): Promise<void> {
      clearInterval(timer)
      await look(true)
    },
  }
}
export type Refusals = ReturnType<typeof createRefusals>

function actOf({ host, port, rule }: Refusal, actor: string, where: Omit<Behalf, 'scope' | 'actor' | 'requestId'>): Act {
  const name = host.length > MAX_HOST ? `${host.slice(0, MAX_HOST)}…` : host
  return {
    actor,
    action: 'egress.refused',
    target: `${name.includes(':') ? `[${name}]` : name}:${port}`,
    outcome: 'refused',
    details: { host: name, port, rule, run_id: where.runId, step_id: where.stepId, instance_id: where.instanceId, tool: where.tool },
  }
}

/** All that are too many to tell one by one. */
const crowd = (rule: string): Act => ({
  actor: 'system:egress',
  action: 'egress.refused',
  target: null,
  outcome: 'refused',
  details: { rule, about: `more than ${MAX_KINDS} kinds in ${WINDOW_MS / 60_000} minutes: the rest together` },
})
