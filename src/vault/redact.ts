/**
 * Knows every value that this vault has opened, as marks that cannot be read (finder.ts), until its version is destroyed and nothing that
 * is under way can give it back any more. What leaves the process is searched for them: for a workspace's own, so that nobody's honest text
 * is changed by the secrets of others; and for all, where it leaves to the operator.
 */
import { hash, randomBytes } from 'node:crypto'
import { Fault } from '../base/errors.ts'
import { createFinder, type Mark } from './finder.ts'
import { formsOf } from './needles.ts'
import { type Scrubber, scrubberOf } from './scrub.ts'

/**
 * In bytes. What comes back with a credential in use is searched for its values from six bytes on. Everything else is searched for those
 * only that no text holds by chance: "password" is one that many databases have, and a word of ours.
 */
export const SHORTEST_ELSEWHERE = 12
/** No call lasts longer than the longest step. */
const IN_FLIGHT_MS = 3_600_000
/** Values, at some eight kilobytes of marks each. Past it those make room that no request is under way with: one takes a minute at most. */
const MAX_VALUES = 20_000
const IN_USE_MS = 120_000
/** In the place of a line that could not be searched. */
const UNSEARCHED = '{"level":"error","msg":"a line is left out: it could not be searched for credentials"}\n'
/** What belongs to the operator and not to a workspace. */
export const OPERATOR = '*'

interface Version {
  workspace: string
  owner: string
  version: number
}
interface Whose {
  workspace: string
  version: string
  /** Long enough to be searched for elsewhere. */
  anywhere: boolean
}
interface Known {
  at: Version
  digests: string[]
  marks: Mark<Whose>[]
  values: number
  /** The last opening, or the end. */
  since: number
  destroyed: boolean
}

export function createRedactor({ now, maxValues = MAX_VALUES }: { now: () => number; maxValues?: number }) {
  const finder = createFinder<Whose>()
  /** In the order of the last openings. */
  const known = new Map<string, Known>()
  const key = randomBytes(32).toString('hex')
  const keyOf = (at: Version) => `${at.workspace} ${at.owner} ${at.version}`
  let values = 0

  function drop(version: string, { marks, values: count }: Known): void {
    finder.drop(marks)
    known.delete(version)
    values -= count
  }
  /** Makes room for so many values more. */
  function tidy(more = 0): void {
    for (const [version, one] of known) {
      const full = values + more > maxValues
      if (one.since + (full ? IN_USE_MS : IN_FLIGHT_MS) > now()) return
      if (full || one.destroyed) drop(version, one)
    }
  }
  const whereFits = (mayBe: (whose: Whose) => boolean): Scrubber =>
    scrubberOf(
      (text) => finder.find(text, mayBe),
      () => finder.size === 0,
    )
  const all = whereFits((it) => it.anywhere)
  /** Puts it behind all that were opened earlier. */
  function enter(version: string, one: Known): void {
    known.delete(version)
    known.set(version, one)
  }

  return {
    /** Values that have been opened, and what is a secret by itself inside of them. Faults: DEPENDENCY_UNAVAILABLE; then none may be used. */
    learn(at: Version, opened: readonly string[]): void {
      const version = keyOf(at)
      const digest = hash('sha256', `${key}${JSON.stringify(opened)}`, 'base64url')
      const before: Known = known.get(version) ?? { at, digests: [], marks: [], values: 0, since: now(), destroyed: false }
      const fresh = { ...before, since: now(), destroyed: false }
      if (before.digests.includes(digest)) {
        enter(version, fresh)
        return
      }
      if (values + opened.length > maxValues) tidy(opened.length)
      if (values + opened.length > maxValues)
        throw new Fault('DEPENDENCY_UNAVAILABLE', 'more credentials are in use at once than this process keeps apart', {
          hint: 'Try again later.',
        })
      const marks = [...new Set(opened)].flatMap((value) => {
        const whose = { workspace: at.workspace, version, anywhere: Buffer.byteLength(value) >= SHORTEST_ELSEWHERE }
        return formsOf(value).map(([, needle]) => finder.add(needle, whose))
      })
      values += opened.length
      enter(version, {
        ...fresh,
        digests: [...before.digests, digest],
        marks: [...before.marks, ...marks],
        values: before.values + opened.length,
      })
    },
    /** One version, or all of an owner: what is under way may give them back for a while. */
    destroyed(owner: string, version?: number): void {
      for (const [name, one] of [...known])
        if (one.at.owner === owner && (version === undefined || one.at.version === version))
          enter(name, { ...one, since: now(), destroyed: true })
    },
    tidy: () => tidy(),

    /** For what comes back to whoever uses this version, and goes on within its workspace. */
    inUse(workspace: string, at: Version): Scrubber {
      const own = keyOf(at)
      return whereFits((it) => it.version === own || (it.anywhere && isOf(it, workspace)))
    },
    /** For what leaves to people of a workspace. */
    of: (workspace: string): Scrubber => whereFits((it) => it.anywhere && isOf(it, workspace)),
    /** For what leaves to the operator, or to nobody in particular. */
    all,
    /** A line of the log. What its texts hold is taken out; how it is put together is ours, and stays. Never throws. */
    line(line: string): string {
      try {
        return all.text(line) === line ? line : `${JSON.stringify(all.json(JSON.parse(line)))}\n`
      } catch {
        return UNSEARCHED
      }
    },
    get values() {
      return values
    },
  }
}
const isOf = (it: Whose, workspace: string): boolean => it.workspace === workspace || it.workspace === OPERATOR

export type Redactor = ReturnType<typeof createRedactor>
