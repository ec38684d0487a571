/** The pools of one driver, by credential version and settings: made when first used, bounded, drained by owner. */
import { createHash } from 'node:crypto'
import { createPool, type Kind, type Pool, type Pooled } from './pool.ts'

const IDLE_MS = 60_000
/** Pools of other credentials are closed, the longest unused first, beyond this many. */
const MAX_POOLS = 200

export interface Entry<B extends Pooled> {
  owner: string
  version: number
  pool: Pool<B>
  usedAt: number
  /** What the credential can do beyond working with data, as the server said it last. */
  powers: { at: number; list: string[] } | undefined
}

export interface Wanted<B extends Pooled> {
  owner: string
  version: number
  /** Everything else that makes two pools two: it is hashed, so that no secret is a key. */
  settings: readonly unknown[]
  /** Most sessions, and most of them that are kept between calls. */
  max: number
  idle: number
  open: (kind: Kind, signal: AbortSignal) => Promise<B>
}

export function createPools<B extends Pooled>(deps: { now: () => number; idleMs?: number | undefined }) {
  const entries = new Map<string, Entry<B>>()

  function forgetOldest(newest: Entry<B>) {
    let oldest: [string, Entry<B>] | undefined
    for (const item of entries) if (item[1] !== newest && (!oldest || item[1].usedAt < oldest[1].usedAt)) oldest = item
    if (!oldest) return
    entries.delete(oldest[0])
    void oldest[1].pool.drain()
  }
  async function drainAll(which: (entry: Entry<B>) => boolean): Promise<void> {
    const leaving = [...entries].filter(([, entry]) => which(entry))
    for (const [key] of leaving) entries.delete(key)
    await Promise.all(leaving.map(([, entry]) => entry.pool.drain()))
  }

  return {
    of({ owner, version, settings, max, idle, open }: Wanted<B>): Entry<B> {
      const key = createHash('sha256')
        .update(JSON.stringify([owner, version, max, idle, ...settings]))
        .digest('base64')
      let entry = entries.get(key)
      if (!entry) {
        const pool = createPool<B>({
          max,
          idle: Math.min(idle, max),
          idleMs: deps.idleMs ?? IDLE_MS,
          onEmpty: () => entries.get(key)?.pool === pool && entries.delete(key),
          open,
        })
        entry = { owner, version, pool, usedAt: 0, powers: undefined }
        entries.set(key, entry)
        if (entries.size > MAX_POOLS) forgetOldest(entry)
      }
      entry.usedAt = deps.now()
      return entry
    },
    /** Lets what is in flight end, then closes the owner's sessions of every version but this one. */
    drain: (owner: string, exceptVersion?: number) => drainAll((entry) => entry.owner === owner && entry.version !== exceptVersion),
    close: () => drainAll(() => true),
  }
}
