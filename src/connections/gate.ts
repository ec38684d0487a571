/**
 * The way to one provider's token endpoint: so many at a time, those that somebody waits for first, and none for a while when it is
 * plainly down.
 */
import { Fault } from '../base/errors.ts'

/** Requests at a time to one token endpoint, from one process. Providers limit by client and second; eight renew thousands in a minute. */
export const AT_A_TIME = 8
/** Of these, for renewals that nobody waits for: half, so that thousands that are due together leave room, and time, for everything else. */
export const IN_BACKGROUND = 4
/** So many failures in a row are no accident. */
const FAILURES_TO_OPEN = 5
/** Long enough for a restart over there, short enough that nobody notices the end of an outage late. Half of it is jitter. */
const OPEN_MS = 20_000
/** A provider that asks for a pause gets it from everybody, up to this. */
const LONGEST_OPEN_MS = 300_000

interface Lane {
  running: number
  /** Of those, the ones that nobody waits for. */
  background: number
  /** Somebody waits for the first kind, nobody for the second. */
  urgent: (() => void)[]
  patient: (() => void)[]
  failures: number
  openUntil: number
  /** One request tries whether the provider is back. */
  probing: boolean
}

/** `unasked`: it turned out that there was nothing to ask, which says nothing of the provider. */
export type Ended = { kind: 'answered' } | { kind: 'unasked' } | { kind: 'failed'; retryAfterS: number | null }

export function createGate(deps: { now: () => number; random: () => number }) {
  const lanes = new Map<string, Lane>()
  const laneOf = (key: string): Lane => {
    let lane = lanes.get(key)
    if (!lane) {
      lane = { running: 0, background: 0, urgent: [], patient: [], failures: 0, openUntil: 0, probing: false }
      lanes.set(key, lane)
    }
    return lane
  }
  function enter(lane: Lane, urgent: boolean): void {
    lane.running++
    if (!urgent) lane.background++
  }
  const hasRoom = (lane: Lane, urgent: boolean) => lane.running < AT_A_TIME && (urgent || lane.background < IN_BACKGROUND)
  /** Lets in who may come now. They are counted here, so that nobody slips in between. */
  function admit(lane: Lane): void {
    for (const [line, urgent] of [
      [lane.urgent, true],
      [lane.patient, false],
    ] as const)
      for (let next = line[0]; next !== undefined && hasRoom(lane, urgent); next = line[0]) {
        line.shift()
        enter(lane, urgent)
        next()
      }
  }
  const closed = (key: string, lane: Lane): Fault =>
    new Fault('UPSTREAM_ERROR', `${new URL(key).host} has trouble of its own and is left alone for a moment`, {
      retryAfter: Math.max(1, Math.ceil((lane.openUntil - deps.now()) / 1000)),
      details: { reason: 'provider_unavailable' },
    })

  return {
    /** Runs `work` when it is its turn. Faults: UPSTREAM_ERROR with `retryAfter` while the provider is left alone; `work` has not begun then. */
    async pass<T>(key: string, urgent: boolean, work: () => Promise<{ result: T; ended: Ended }>): Promise<T> {
      const lane = laneOf(key)
      const mayNot = () => lane.openUntil > deps.now() || lane.probing
      if (mayNot()) throw closed(key, lane)
      if (hasRoom(lane, urgent)) enter(lane, urgent)
      else await new Promise<void>((go) => (urgent ? lane.urgent : lane.patient).push(go))
      let probe = false
      try {
        if (mayNot()) throw closed(key, lane)
        probe = lane.failures >= FAILURES_TO_OPEN
        lane.probing = probe
        const { result, ended } = await work()
        if (ended.kind === 'answered') lane.failures = 0
        else if (ended.kind === 'failed') {
          lane.failures++
          const asked = Math.min(LONGEST_OPEN_MS, (ended.retryAfterS ?? 0) * 1000)
          const own = lane.failures >= FAILURES_TO_OPEN ? OPEN_MS * (0.5 + deps.random() / 2) : 0
          if (asked > 0 || own > 0) lane.openUntil = deps.now() + Math.max(asked, own)
        }
        return result
      } finally {
        if (probe) lane.probing = false
        lane.running--
        if (!urgent) lane.background--
        admit(lane)
      }
    },
  }
}
export type Gate = ReturnType<typeof createGate>
