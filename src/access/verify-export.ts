/** Checks an export by itself: no database, no server, nothing but its lines, a key and, where there is one, a checkpoint from another day. */
import { type Checkpoint, holds, keyIdOf, readCheckpoint } from './checkpoint.ts'
import { type Problem, walkFrom } from './walk.ts'

export interface ExportVerdict {
  workspace: string | null
  /** Of the entries in it. */
  first: number
  last: number
  entries: number
  uses: number
  key_id: string | null
  /** Where the key comes from that the signatures were held against. */
  key_from: 'given' | 'checkpoint' | 'export'
  /** Whether the checkpoint from another day says something about these entries. */
  compared: boolean
  ok: boolean
  problems: Problem[]
}

const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((it) => typeof it === 'string')

export async function verifyExport(
  lines: AsyncIterable<string> | Iterable<string>,
  given: { publicKey: string | null; checkpoint: Checkpoint | null },
): Promise<ExportVerdict> {
  const other = given.checkpoint
  let walk = walkFrom({ seq: 0, hash: Buffer.alloc(0) })
  let workspace: string | null = null
  let after = 0
  let end: Checkpoint | null = null
  let key = given.publicKey ?? other?.public_key ?? null
  let compared = false
  let n = 0
  const say = (problem: string) => walk.say(walk.at().seq, problem)

  function check(it: Checkpoint, name: string): void {
    key ??= it.public_key
    if (it.workspace !== workspace) say(`${name} is of another workspace`)
    if (holds(it, key)) {
      // Not signed, but what people compare by eye.
      if (it.public_key !== key || it.key_id !== keyIdOf(key)) say(`${name} names another key than the one that signed it`)
      return
    }
    say(
      it.public_key !== key && holds(it, it.public_key)
        ? `${name} is signed by another key, ${keyIdOf(it.public_key)}`
        : `the signature of ${name} does not hold`,
    )
  }
  /** The chain must have been there where the other checkpoint saw it. */
  function compare(): void {
    const { seq, hash } = walk.at()
    if (other?.seq !== seq || compared) return
    compared = true
    if (other.hash !== hash.toString('hex')) walk.say(seq, 'the checkpoint saw another entry here: what came before was rewritten')
  }
  function begin(it: Record<string, unknown>): void {
    workspace = typeof it.workspace === 'string' ? it.workspace : null
    if (it.format !== 1) say('the export is in a format that this program does not know')
    const from = it.after === null ? null : readCheckpoint(it.after)
    if (it.after !== null && from === null) say('the export does not say where it begins')
    if (from) {
      const { problems } = walk
      walk = walkFrom({ seq: from.seq, hash: Buffer.from(from.hash, 'hex') })
      walk.problems.push(...problems)
      check(from, 'the checkpoint at the beginning')
      after = from.seq
    }
    if (other) check(other, 'the checkpoint from another day')
    if (other && other.seq > 0) compare()
  }

  for await (const line of lines) {
    n++
    if (line.trim() === '') continue
    let it: Record<string, unknown>
    try {
      it = JSON.parse(line) as Record<string, unknown>
    } catch {
      say(`line ${n} is not JSON`)
      continue
    }
    if (end) say(`line ${n} stands behind the checkpoint at the end`)
    else if (n === 1 || it.kind === 'export') {
      if (n !== 1 || it.kind !== 'export') say('the first line, and no other, must say what this is an export of')
      if (it.kind === 'export' && n === 1) begin(it)
    }
    const { kind, seq, entry, hash, uses } = it
    if (kind === 'entry') {
      if (typeof seq !== 'number' || typeof entry !== 'string' || typeof hash !== 'string' || !isTexts(uses)) say(`line ${n} is no entry`)
      else walk.step({ seq, entry, hash: Buffer.from(hash, 'hex'), uses })
      compare()
    } else if (kind === 'checkpoint') {
      end = readCheckpoint(it)
      if (end === null) say(`line ${n} is no checkpoint`)
    } else if (kind !== 'export') say(`line ${n} is of a kind that this program does not know`)
  }

  const { seq, hash, entries, uses } = walk.at()
  if (end === null) say('it does not end with a signed checkpoint: its tail was cut')
  else {
    check(end, 'the checkpoint at the end')
    if (end.seq > seq) say(`it ends at ${seq} but its checkpoint says ${end.seq}: the tail was cut`)
    else if (end.seq !== seq || end.hash !== hash.toString('hex')) say('the checkpoint at the end does not match the last entry')
  }
  if (other && other.seq > seq) say(`it ends at ${seq} but the checkpoint from another day says ${other.seq}: the tail was cut`)
  return {
    workspace,
    first: entries === 0 ? 0 : after + 1,
    last: seq,
    entries,
    uses,
    key_id: key === null ? null : keyIdOf(key),
    key_from: given.publicKey !== null ? 'given' : other ? 'checkpoint' : 'export',
    compared,
    ok: walk.problems.length === 0,
    problems: walk.problems,
  }
}
