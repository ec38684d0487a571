/** Last uses, written together now and then: a courtesy to people, which no request waits for. */

/** At most this often, for all of a kind together. */
const WRITE_EVERY_MS = 5_000

export interface LastUse {
  id: string
  at: Date
  /** Where it came from, for those who want to know. */
  ip: string | null
}

export function createLastUse(deps: { now: () => number; write: (batch: LastUse[]) => Promise<unknown> }) {
  const used = new Map<string, LastUse>()
  let timer: NodeJS.Timeout | undefined

  async function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const batch = [...used.values()]
    used.clear()
    // What could not be written is lost, which is all right for a courtesy.
    if (batch.length > 0) await deps.write(batch).catch(() => undefined)
  }
  return {
    touch(id: string, ip: string | null = null): void {
      used.set(id, { id, at: new Date(deps.now()), ip })
      timer ??= setTimeout(() => void flush(), WRITE_EVERY_MS).unref()
    },
    flush,
  }
}
