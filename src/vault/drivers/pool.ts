/**
 * Sessions kept for one credential version. One bound for all of them, two kinds within it: a session that was opened read-only
 * is never handed to a writer. Waiting is in turn, and ends when the caller's signal does.
 */

export interface Pooled {
  readonly alive: boolean
  destroy(): void
  end(): Promise<void>
}

export type Kind = 'read' | 'write'

export interface Pool<C extends Pooled> {
  /** Rejects with `signal.reason` when the wait is over before there is a session, or with what opening one threw. */
  take(kind: Kind, signal: AbortSignal): Promise<C>
  /** `keep` false: the session is cut instead of kept. */
  give(session: C, keep: boolean): void
  /** No session, no caller: the pool can be forgotten. */
  readonly empty: boolean
  /** Lets what runs end, closes everything; sessions that are given back later are closed too. */
  drain(): Promise<void>
}

export interface PoolOptions<C extends Pooled> {
  open: (kind: Kind, signal: AbortSignal) => Promise<C>
  max: number
  /** How many idle sessions are kept. */
  idle: number
  /** Milliseconds after which an idle session is closed. */
  idleMs: number
  /** Called when the last session is gone. */
  onEmpty: () => void
}

export function createPool<C extends Pooled>(options: PoolOptions<C>): Pool<C> {
  const idle: { session: C; kind: Kind; timer: NodeJS.Timeout }[] = []
  const busy = new Map<C, Kind>()
  const waiting: { kind: Kind; go: () => void }[] = []
  let opening = 0
  let draining = false
  let whenDrained: (() => void)[] = []

  const size = () => idle.length + busy.size + opening

  function settled() {
    if (size() > 0 || waiting.length > 0) return
    for (const tell of whenDrained) tell()
    whenDrained = []
    options.onEmpty()
  }

  function unpark(at: number): C {
    const [entry] = idle.splice(at, 1)
    clearTimeout(entry!.timer)
    return entry!.session
  }

  /** Lets the longest waiting caller try again. */
  function next() {
    waiting.shift()?.go()
    settled()
  }

  async function close(session: C) {
    await session.end().catch(() => session.destroy())
    next()
  }

  async function take(kind: Kind, signal: AbortSignal): Promise<C> {
    for (;;) {
      signal.throwIfAborted()
      for (let at = idle.length - 1; at >= 0; at--) {
        const { session } = idle[at]!
        if (!session.alive) unpark(at)
        else if (idle[at]!.kind === kind) {
          unpark(at)
          busy.set(session, kind)
          return session
        }
      }
      // Full of idle sessions of the other kind: one makes room.
      if (size() >= options.max && idle.length > 0) {
        const other = unpark(0)
        opening += 1
        await other.end().catch(() => other.destroy())
        opening -= 1
      }
      if (size() < options.max) {
        opening += 1
        try {
          const session = await options.open(kind, signal)
          busy.set(session, kind)
          return session
        } finally {
          opening -= 1
          // Whoever failed to open one makes room for the next.
          if (size() < options.max) next()
        }
      }
      await turn(kind, signal)
    }
  }

  function turn(kind: Kind, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const entry = { kind, go: () => stop(resolve) }
      const gone = () => stop(() => reject(signal.reason))
      const stop = (end: () => void) => {
        signal.removeEventListener('abort', gone)
        const at = waiting.indexOf(entry)
        if (at >= 0) waiting.splice(at, 1)
        end()
      }
      waiting.push(entry)
      signal.addEventListener('abort', gone, { once: true })
    })
  }

  return {
    take,
    give(session, keep) {
      const kind = busy.get(session) ?? 'read'
      busy.delete(session)
      if (!keep || !session.alive) {
        session.destroy()
        next()
      } else if (draining || (idle.length >= options.idle && waiting.length === 0)) {
        void close(session)
      } else {
        const timer = setTimeout(() => {
          const at = idle.findIndex((entry) => entry.session === session)
          if (at >= 0) void close(unpark(at))
        }, options.idleMs)
        timer.unref()
        idle.push({ session, kind, timer })
        next()
      }
    },
    get empty() {
      return size() === 0 && waiting.length === 0
    },
    async drain() {
      draining = true
      const closing = [...idle].map((entry) => close(unpark(idle.indexOf(entry))))
      await Promise.all(closing)
      if (size() > 0 || waiting.length > 0) await new Promise<void>((resolve) => whenDrained.push(resolve))
    },
  }
}
