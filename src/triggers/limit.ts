/** So many requests at a time for each subscription of this process: a bucket that fills up again. */

export interface Limit {
  /** At once. Ours takes the 50 that a busy sender keeps open, and a burst of retries on top. */
  burst: number
  /** In the long run. What one workflow can be started for, and still far more than a sender in order has to say. */
  perSecond: number
}
export const RATE: Limit = { burst: 200, perSecond: 50 }
/** Buckets remembered. Ids can be made up, so the one that was not asked for longest makes room. */
const MAX_BUCKETS = 10_000

export function createLimit({ burst, perSecond }: Limit, now: () => number) {
  const buckets = new Map<string, { left: number; at: number }>()
  return {
    /** Null: go on. Otherwise how many seconds to wait. */
    take(id: string): number | null {
      const at = now()
      const known = buckets.get(id)
      const left = known ? Math.min(burst, known.left + (Math.max(0, at - known.at) / 1000) * perSecond) : burst
      buckets.delete(id)
      if (buckets.size >= MAX_BUCKETS) buckets.delete(buckets.keys().next().value as string)
      buckets.set(id, { left: left >= 1 ? left - 1 : left, at })
      return left >= 1 ? null : (1 - left) / perSecond
    },
  }
}
