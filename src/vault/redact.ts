/**
 * Knows every value that this vault has opened, as marks that cannot be read (finder.ts), until its version is destroyed and nothing that
 * is under way can give it back any more. What leaves the process is searched for them: for a workspace's own, so that nobody's honest text
 * is changed by the secrets of others; and for all, where it leaves to the operator.
 */
import { hash, randomBytes } from 'node:crypto'
import { Fault } from '../base/errors.ts'
import { createFinder, type Mark } from './finder.ts'
import { formsOf } from './needles.ts'
import { joined, type Scrubber, scrubberOf } from './scrub.ts'
import { createWritten } from './written.ts'

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

/** No workspace's: what was searched for one of them was not for the others. */
const EVERYBODY = ''

export interface InUse extends Scrubber {
  /** What a tool made of what came back: see written.ts. */
  answer<T>(output: T): T
}
export interface Leaving extends Scrubber {
  /** An answer as JSON. */
  written(answer: unknown): string
}

interface Version {
  workspace: string
  owner: string
  version: number
}
interface Whose {
  workspace: string
  version: string
}
interface Known {
  at: Version
  digests: string[]
  long: Mark<Whose>[]
  short: Mark<Whose>[]
  values: number
  /** The last opening, or the end. */
  since: number
  destroyed: boolean
}

export function createRedactor({ now, maxValues = MAX_VALUES }: { now: () => number; maxValues?: number }) {
  /** What is searched for everywhere, and what is only where it was used. */
  const long = createFinder<Whose>(SHORTEST_ELSEWHERE)
  const short = createFinder<Whose>()
  /** In the order of the last openings. */
  const known = new Map<string, Known>()
  const key = randomBytes(32).toString('hex')
  const keyOf = (at: Version) => `${at.workspace} ${at.owner} ${at.version}`
  let values = 0
  let openings = 0
  const written = createWritten(() => openings)

  function drop(version: string, one: Known): void {
    long.drop(one.long)
    short.drop(one.short)
    known.delete(version)
    values -= one.values
  }
  /** Makes room for so many values more. */
  function tidy(more = 0): void {
    for (const [version, one] of known) {
      const full = values + more > maxValues
      if (one.since + (full ? IN_USE_MS : IN_FLIGHT_MS) > now()) return
      if (full || one.destroyed) drop(version, one)
    }
  }
  const elsewhere = (mayBe: (whose: Whose) => boolean): Scrubber =>
    scrubberOf(
      (text) => long.find(text, mayBe),
      () => long.size === 0,
    )
  const all = elsewhere(() => true)
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
      const before: Known = known.get(version) ?? { at, digests: [], long: [], short: [], values: 0, since: now(), destroyed: false }
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
      values += opened.length
      openings++
      const one = { ...fresh, digests: [...before.digests, digest], long: [...before.long], short: [...before.short] }
      enter(version, { ...one, values: before.values + opened.length })
      const whose = { workspace: at.workspace, version }
      for (const value of new Set(opened))
        for (const [, needle] of formsOf(value)) {
          const isLong = Math.min(Buffer.byteLength(value), needle.length) >= SHORTEST_ELSEWHERE
          if (isLong) one.long.push(long.add(needle, whose))
          else one.short.push(short.add(needle, whose))
        }
    },
    /** One version, or all of an owner: what is under way may give them back for a while. */
    destroyed(owner: string, version?: number): void {
      for (const [name, one] of [...known])
        if (one.at.owner === owner && (version === undefined || one.at.version === version))
          enter(name, { ...one, since: now(), destroyed: true })
    },
    tidy: () => tidy(),

    /** For what comes back to whoever uses this version, and goes on within its workspace. */
    inUse(workspace: string, at: Version): InUse {
      const own = keyOf(at)
      const scrub = scrubberOf(
        (text) => {
          const found = long.find(text, (it) => isOf(it, workspace))
          if (!known.get(own)?.short.length) return found
          const more = short.find(text, (it) => it.version === own)
          return { spans: joined([...found.spans, ...more.spans]), pending: Math.min(found.pending, more.pending) }
        },
        () => values === 0,
      )
      return { ...scrub, answer: (output) => written.answer(scrub, workspace, output) }
    },
    /** For what leaves to people of a workspace. */
    of(workspace: string): Leaving {
      const scrub = elsewhere((it) => isOf(it, workspace))
      return { ...scrub, written: (answer) => written.json(scrub, workspace, answer) }
    },
    /** For what leaves to the operator, or to nobody in particular. */
    all: { ...all, written: (answer: unknown) => written.json(all, EVERYBODY, answer) },
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
