/** What an export shows by itself, whatever is done to it. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonical, chainHash, digestOf, USED } from './chain.ts'
import { type Checkpoint, signed } from './checkpoint.ts'
import type { ExportLine } from './export.ts'
import { verifyExport } from './verify-export.ts'

const seed = Math.floor(Math.random() * 2 ** 31)
console.info(`exports: seed ${seed}`)

function signerOf(key = generateKeyPairSync('ed25519')) {
  const publicKey = key.publicKey.export({ format: 'jwk' }).x as string
  const of = (private_: KeyObject) => (what: string, text: string) =>
    sign(null, Buffer.from(`agentruntime ${what} v1\0${text}`), private_).toString('base64url')
  return { publicKey: () => publicKey, sign: of(key.privateKey) }
}
const ours = signerOf()
const AT = '2026-01-02T03:04:05.000Z'
type Entry = Extract<ExportLine, { kind: 'entry' }>

/** A chain of `n` entries; every third answers for uses. */
function chainOf(n: number, workspace = 'ws_a'): { entries: Entry[]; at: (seq: number, signer?: typeof ours) => Checkpoint } {
  const entries: Entry[] = []
  let hash: Buffer = Buffer.alloc(0)
  for (let seq = 1; seq <= n; seq++) {
    const uses = seq % 3 === 0 ? [`{"owner":"conn_${seq}","uses":1}`, `{"owner":"conn_${seq}","uses":2}`] : []
    const details = { rows: uses.length, sha256: digestOf(uses) }
    const entry = canonical(uses.length > 0 ? { action: USED, at: AT, details } : { action: 'something.done', at: AT, n: seq })
    hash = chainHash(hash, seq, entry)
    entries.push({ kind: 'entry', seq, entry, uses, hash: hash.toString('hex') })
  }
  const at = (seq: number, signer = ours) => signed(signer, { workspace, seq, hash: entries[seq - 1]?.hash ?? '', count: seq, at: AT })
  return { entries, at }
}
function exported(n: number, after = 0): ExportLine[] {
  const { entries, at } = chainOf(n)
  return [
    { kind: 'export', format: 1, workspace: 'ws_a', after: after === 0 ? null : at(after) },
    ...entries.slice(after),
    { kind: 'checkpoint', ...at(n) },
  ]
}
const texts = (lines: readonly ExportLine[]) => lines.map((line) => JSON.stringify(line))
const check = (lines: readonly ExportLine[], given: { publicKey?: string; checkpoint?: Checkpoint } = {}) =>
  verifyExport(texts(lines), { publicKey: given.publicKey ?? null, checkpoint: given.checkpoint ?? null })
const entryAt = (lines: ExportLine[], seq: number) => lines.find((it): it is Entry => it.kind === 'entry' && it.seq === seq)!

describe('a whole export', () => {
  it('[audit.export] verifies: from the beginning, from the middle, and one with nothing in it', async () => {
    expect(await check(exported(9))).toMatchObject({ ok: true, first: 1, last: 9, entries: 9, uses: 6, key_from: 'export', problems: [] })
    expect(await check(exported(9, 4), { publicKey: ours.publicKey() })).toMatchObject({
      ok: true,
      first: 5,
      last: 9,
      entries: 5,
      key_from: 'given',
    })
    expect(await check(exported(0))).toMatchObject({ ok: true, entries: 0 })
  })
  it('[audit.checkpoint] agrees with a checkpoint from another day, and says when it speaks of other entries', async () => {
    const { at } = chainOf(9)
    for (const seq of [1, 5, 9]) expect(await check(exported(9), { checkpoint: at(seq) })).toMatchObject({ ok: true, compared: true })
    expect(await check(exported(9, 4), { checkpoint: at(4) })).toMatchObject({ ok: true, compared: true })
    expect(await check(exported(9, 4), { checkpoint: at(2) })).toMatchObject({ ok: true, compared: false })
  })
})

describe('an export that was changed', () => {
  const rehashed = (lines: ExportLine[], from = 1): ExportLine[] => {
    let hash: Buffer = Buffer.alloc(0)
    for (const it of lines)
      if (it.kind === 'entry') {
        if (it.seq >= from) it.hash = chainHash(hash, it.seq, it.entry).toString('hex')
        hash = Buffer.from(it.hash, 'hex')
      }
    return lines
  }
  const edit = (lines: ExportLine[]): ExportLine[] => {
    const it = entryAt(lines, 4)
    it.entry = it.entry.replace('done', 'gone')
    return lines
  }
  const uses =
    (seq: number, change: (uses: string[]) => void) =>
    (lines: ExportLine[]): ExportLine[] => {
      change(entryAt(lines, seq).uses)
      return lines
    }
  const CHANGES: [what: string, change: (lines: ExportLine[]) => ExportLine[], says: RegExp][] = [
    ['an edit', edit, /entry, its place/],
    ['an edit with all hashes made anew', (l) => rehashed(edit(l), 4), /does not match the last entry/],
    ['a deletion', (l) => l.filter((it) => it !== entryAt(l, 4)), /entry 4 is missing/],
    ['a reorder', (l) => [...l.slice(0, 4), l[5]!, l[4]!, ...l.slice(6)], /stands behind/],
    ['an insertion', (l) => [...l.slice(0, 5), structuredClone(l[4]!), ...l.slice(5)], /stands behind/],
    [
      'an insertion with new numbers',
      (l) => {
        const put: Entry = { ...entryAt(l, 4) }
        for (const it of l) if (it.kind === 'entry' && it.seq > 4) it.seq++
        return rehashed([...l.slice(0, 5), { ...put, seq: 5 }, ...l.slice(5)])
      },
      /does not match the last entry/,
    ],
    ['a cut tail', (l) => [...l.slice(0, -3), l.at(-1)!], /tail was cut/],
    ['a tail cut with its checkpoint', (l) => l.slice(0, -3), /does not end with a signed checkpoint/],
    ['a cut head', (l) => [l[0]!, ...l.slice(3)], /entries 1 to 2 are missing/],
    ['a use that was edited', uses(3, (it) => it.splice(0, 1, it[0]!.replace(':1}', ':7}'))), /uses of secrets/],
    ['a use that was taken out', uses(6, (it) => it.pop()), /uses of secrets/],
    ['a use that was put in', uses(4, (it) => it.push('{"owner":"conn_x"}')), /uses of secrets/],
    ['uses in another order', uses(3, (it) => it.reverse()), /uses of secrets/],
    ['something behind the end', (l) => [...l, l[1]!], /stands behind the checkpoint/],
    ['no first line', (l) => l.slice(1), /first line/],
    ['a later checkpoint of ours on it', (l) => [...l.slice(0, -3), { kind: 'checkpoint', ...chainOf(9).at(8) }], /tail was cut/],
    [
      'a checkpoint that was edited',
      (l) => [...l.slice(0, -1), { ...(l.at(-1) as Checkpoint & { kind: 'checkpoint' }), count: 1 }],
      /signature/,
    ],
    ['another workspace', (l) => [{ ...(l[0] as object), workspace: 'ws_b' } as ExportLine, ...l.slice(1)], /another workspace/],
  ]
  it.each(CHANGES)('[audit.export] %s is found', async (_what, change, says) => {
    const verdict = await check(change(exported(9)))
    expect(verdict.ok).toBe(false)
    expect(verdict.problems.map((it) => it.problem).join('\n')).toMatch(says)
  })

  it('[audit.checkpoint] a history that was written anew and signed by somebody else is found by the key, and by an older checkpoint', async () => {
    const theirs = signerOf()
    const lines = exported(9)
    entryAt(lines, 2).entry = entryAt(lines, 2).entry.replace('done', 'gone')
    rehashed(lines)
    const last = entryAt(lines, 9)
    lines[lines.length - 1] = { kind: 'checkpoint', ...signed(theirs, { workspace: 'ws_a', seq: 9, hash: last.hash, count: 9, at: AT }) }
    expect(await check(lines)).toMatchObject({ ok: true, key_from: 'export' }) // by itself it is whole
    const byKey = await check(lines, { publicKey: ours.publicKey() })
    expect(byKey.problems.map((it) => it.problem).join()).toMatch(/signed by another key/)
    const byCheckpoint = await check(lines, { checkpoint: chainOf(9).at(5) })
    expect(byCheckpoint.problems.map((it) => it.problem).join()).toMatch(/was rewritten.*signed by another key/)
  })

  it('[audit.checkpoint] a history that was written anew and signed by us is found by an older checkpoint', async () => {
    const lines = exported(9)
    entryAt(lines, 2).entry = entryAt(lines, 2).entry.replace('done', 'gone')
    rehashed(lines)
    lines[lines.length - 1] = {
      kind: 'checkpoint',
      ...signed(ours, { workspace: 'ws_a', seq: 9, hash: entryAt(lines, 9).hash, count: 9, at: AT }),
    }
    const verdict = await check(lines, { publicKey: ours.publicKey(), checkpoint: chainOf(9).at(5) })
    expect(verdict.problems).toEqual([{ seq: 5, problem: 'the checkpoint saw another entry here: what came before was rewritten' }])
  })

  it('[audit.checkpoint] a whole export of a chain whose tail was cut is found by a later checkpoint', async () => {
    const verdict = await check(exported(7), { checkpoint: chainOf(9).at(9) })
    expect(verdict.problems.map((it) => it.problem)).toEqual(['it ends at 7 but the checkpoint from another day says 9: the tail was cut'])
  })

  it('[audit.export] the last letter of a signature is held to what was written, also where it would read the same', async () => {
    const whole = texts(exported(2))
    const end = JSON.parse(whole.at(-1)!) as { signature: string }
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const bytes = (it: string) => Buffer.from(it, 'base64url').toString('hex')
    const twins = [...letters].map((it) => end.signature.slice(0, -1) + it)
    const same = twins.filter((it) => it !== end.signature && bytes(it) === bytes(end.signature))
    expect(same.length).toBe(15)
    for (const signature of same) {
      const lines = [...whole.slice(0, -1), JSON.stringify({ ...end, signature })]
      expect((await verifyExport(lines, { publicKey: ours.publicKey(), checkpoint: null })).ok).toBe(false)
    }
  })

  it('[audit.export] whatever single byte of a line is changed, whatever line is taken out, doubled or moved, it shows', async () => {
    const whole = texts(exported(8))
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.nat(whole.length - 1),
        fc.nat(5_000),
        fc.constantFrom('byte', 'out', 'twice', 'move'),
        async (from, to, place, how) => {
          const lines = [...whole]
          const line = lines[from]!
          if (how === 'byte') {
            const i = place % line.length
            const other = line[i] === 'a' ? 'b' : 'a'
            lines[from] = line.slice(0, i) + other + line.slice(i + 1)
          } else if (how === 'out') lines.splice(from, 1)
          else if (how === 'twice') lines.splice(to, 0, line)
          else {
            lines.splice(from, 1)
            lines.splice(to, 0, line)
          }
          if (lines.join('\n') === whole.join('\n')) return
          expect((await verifyExport(lines, { publicKey: ours.publicKey(), checkpoint: null })).ok, lines.join('\n')).toBe(false)
        },
      ),
      { seed, numRuns: 2_000 },
    )
  })
})
