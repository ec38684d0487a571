/**
 * A chain as lines that whoever has them can check without us: where they begin, each entry with the uses that it answers for, and at the end
 * a signed checkpoint. Whatever is cut off is missed there.
 */
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { chainPage } from './audit.ts'
import { type Checkpoint, type Signer, signed } from './checkpoint.ts'
import { rows } from './rows.ts'

export type ExportLine =
  | { kind: 'export'; format: 1; workspace: string; after: Checkpoint | null }
  | { kind: 'entry'; seq: number; entry: string; uses: string[]; hash: string }
  | ({ kind: 'checkpoint' } & Checkpoint)

/** Entries of a page at most: with their uses some megabytes at worst. */
const PAGE = 500

export interface ExportAsk {
  workspace: string
  /** Behind which entry it begins; null: at the beginning of what is kept. */
  after: number | null
  /** How far the page before came; null: this is the first. */
  cursor: number | null
  now: number
}

async function checkpointAt(tx: Tx, signer: Signer, workspace: string, seq: number, now: number): Promise<Checkpoint> {
  const floor = await rows.auditFloor(tx, workspace)
  if (floor && seq < floor.seq)
    fail('NOT_FOUND', `the entries up to ${floor.seq} are not kept any more`, { hint: `Begin with after=${floor.seq}, or leave it out.` })
  if (floor?.seq === seq) return floor.checkpoint
  const [row] = seq === 0 ? [] : await rows.auditFrom(tx, workspace, seq - 1, 1)
  if (seq !== 0 && row?.seq !== seq) fail('NOT_FOUND', `there is no entry ${seq}`)
  const at = new Date(now).toISOString()
  return signed(signer, { workspace, seq, hash: row?.hash.toString('hex') ?? '', count: seq - (floor?.seq ?? 0), at })
}

/** Of the chain as it is now. Faults: VAULT_SEALED. */
export async function checkpoint(tx: Tx, signer: Signer, workspace: string, now: number): Promise<Checkpoint> {
  return checkpointAt(tx, signer, workspace, (await rows.auditHead(tx, workspace))?.seq ?? 0, now)
}

/** The next lines. Faults: VAULT_SEALED, NOT_FOUND. */
export async function exportPage(tx: Tx, signer: Signer, ask: ExportAsk): Promise<{ lines: ExportLine[]; next: number | null }> {
  const { workspace, now } = ask
  const lines: ExportLine[] = []
  let from = ask.cursor
  if (from === null) {
    from = ask.after ?? (await rows.auditFloor(tx, workspace))?.seq ?? 0
    const after = from === 0 ? null : await checkpointAt(tx, signer, workspace, from, now)
    lines.push({ kind: 'export', format: 1, workspace, after })
  }
  const page = await chainPage(tx, workspace, from, PAGE)
  for (const { seq, entry, hash } of page.rows)
    lines.push({ kind: 'entry', seq, entry, uses: page.usesOf(seq), hash: hash.toString('hex') })
  const last = page.rows.at(-1)?.seq ?? from
  const head = await rows.auditHead(tx, workspace)
  const missing = head !== undefined && head.seq > last
  if (missing && page.rows.length > 0) return { lines, next: last }
  // A head that knows of more than there is: the checkpoint says so, and whoever checks hears that the tail was cut.
  const end = missing
    ? signed(signer, { workspace, seq: head.seq, hash: head.hash.toString('hex'), count: head.seq, at: new Date(now).toISOString() })
    : await checkpointAt(tx, signer, workspace, last, now)
  lines.push({ kind: 'checkpoint', ...end })
  return { lines, next: null }
}
