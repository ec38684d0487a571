/** How fast requests go out with one connection: what the vendor allows is shared by all runs, and who asks for a pause gets it from all. */
import { Fault } from '../base/errors.ts'

/** What a vendor allows one credential. */
export interface Rate {
  requests: number
  perS: number
}
/** A turn further away than that is not waited for inside a call: a run can park without holding a request open. */
export const LONGEST_TURN_MS = 20_000
/** No vendor's pause is believed for longer: one odd header must not silence a connection for a day. */
const LONGEST_PAUSE_MS = 3_600_000
/** Of so many connections something is remembered; beyond it, those that may go at once are forgotten. */
const REMEMBERED = 10_000

interface Lane {
  /** When the next request would come if they came evenly (the generic cell rate algorithm, ITU-T I.371). */
  next: number
  pausedUntil: number
}

export function createPace(deps: { now: () => number }) {
  const lanes = new Map<string, Lane>()
  function laneOf(id: string): Lane {
    let lane = lanes.get(id)
    if (!lane) {
      const now = deps.now()
      if (lanes.size >= REMEMBERED) for (const [other, it] of lanes) if (it.next <= now && it.pausedUntil <= now) lanes.delete(other)
      lane = { next: 0, pausedUntil: 0 }
      lanes.set(id, lane)
    }
    return lane
  }

  return {
    /**
     * Waits until this request may go. As many as the vendor allows may go at once, and then they are evened out. Faults:
     * UPSTREAM_RATE_LIMITED with `retryAfter` where that is too far away; nothing was sent then. What `wait` throws.
     */
    async turn(id: string, rate: Rate | undefined, wait: (ms: number) => Promise<void>): Promise<void> {
      if (!rate && !lanes.has(id)) return
      const lane = laneOf(id)
      const now = deps.now()
      let at = Math.max(now, lane.pausedUntil)
      let next = lane.next
      if (rate) {
        const period = rate.perS * 1000
        const step = period / rate.requests
        next = Math.max(lane.next, at)
        at = Math.max(at, next - (period - step))
        next += step
      }
      const far = Math.round(at - now)
      if (far > LONGEST_TURN_MS)
        throw new Fault('UPSTREAM_RATE_LIMITED', 'the service allows this connection no more requests for now', {
          retryAfter: Math.ceil(far / 1000),
          hint: 'All runs that use the connection share what its vendor allows.',
          details: { connection_id: id },
        })
      lane.next = next
      if (far > 0) await wait(far)
    },

    /** The vendor has asked this connection to wait. */
    pause(id: string, seconds: number): void {
      const lane = laneOf(id)
      lane.pausedUntil = Math.max(lane.pausedUntil, deps.now() + Math.min(seconds * 1000, LONGEST_PAUSE_MS))
    },
    forget: (id: string): void => void lanes.delete(id),
  }
}
export type Pace = ReturnType<typeof createPace>
