/** The bytes that the audit chain is made of. Pure: whoever checks an export needs nothing else. */
import { createHash } from 'node:crypto'
import type { UseRow } from './uses-rows.ts'

/** The action of entries that answer for uses of secrets. */
export const USED = 'secrets.used'

/** JSON with sorted keys and no spaces: the same entry always has the same bytes. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (value && typeof value === 'object' && !(value instanceof Date)) {
    const parts = Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${parts.map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`).join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}

export function chainHash(previous: Buffer, seq: number, entry: string): Buffer {
  const number = Buffer.alloc(8)
  number.writeBigInt64BE(BigInt(seq))
  return createHash('sha256').update(previous).update(number).update(entry, 'utf8').digest()
}

/** What the digest is made of, and what an export shows. */
export const lineOf = (use: UseRow): string =>
  canonical({
    first_at: use.first_at.toISOString(),
    last_at: use.last_at.toISOString(),
    uses: use.uses,
    project: use.project_id,
    owner: use.owner_id,
    version: use.version,
    purpose: use.purpose,
    host: use.host,
    actor: use.actor,
    run_id: use.run_id,
    step_id: use.step_id,
    attempt: use.attempt,
    instance_id: use.instance_id,
    tool: use.tool,
  })
/** JSON has no line breaks in it, so the lines cannot be divided in another way. */
export const digestOf = (lines: readonly string[]): string => createHash('sha256').update(lines.join('\n'), 'utf8').digest('hex')
