/** One walk along a chain, entry after entry, wherever they come from. Finds edits, deletions, reorders and insertions. */
import { chainHash, digestOf, USED } from './chain.ts'

/** More problems than this say nothing new. */
export const MAX_PROBLEMS = 20

export interface Problem {
  seq: number
  problem: string
}
export interface Step {
  seq: number
  entry: string
  hash: Buffer
  /** Lines of the uses that it answers for. */
  uses: readonly string[]
}

/** What an entry promises of its uses; null where it is no such entry. */
export function promised(entry: string): { rows: number; sha256: string } | null {
  try {
    const { action, details } = JSON.parse(entry) as { action: string; details?: { rows?: unknown; sha256?: unknown } }
    if (action !== USED) return null
    const { rows, sha256 } = details ?? {}
    return typeof rows === 'number' && typeof sha256 === 'string' ? { rows, sha256 } : { rows: 0, sha256: '' }
  } catch {
    return null
  }
}

/** Begins behind an entry that is taken as it is: none, or the one that a checkpoint speaks of. */
export function walkFrom(from: { seq: number; hash: Buffer }) {
  const problems: Problem[] = []
  let { seq, hash } = from
  let entries = 0
  let uses = 0
  const say = (at: number, problem: string): void => {
    if (problems.length < MAX_PROBLEMS) problems.push({ seq: at, problem })
  }
  return {
    say,
    problems,
    at: () => ({ seq, hash, entries, uses }),
    step(next: Step): void {
      if (next.seq > seq + 1)
        say(seq + 1, next.seq === seq + 2 ? `entry ${seq + 1} is missing` : `entries ${seq + 1} to ${next.seq - 1} are missing`)
      else if (next.seq <= seq) say(next.seq, `entry ${next.seq} stands behind entry ${seq}`)
      if (!chainHash(hash, next.seq, next.entry).equals(next.hash)) say(next.seq, 'the entry, its place or the one before it was changed')
      const said = promised(next.entry)
      if (said === null ? next.uses.length > 0 : digestOf(next.uses) !== said.sha256 || next.uses.length !== said.rows)
        say(next.seq, 'the uses of secrets that this entry answers for were changed')
      seq = next.seq
      hash = next.hash
      entries++
      uses += next.uses.length
    },
  }
}
