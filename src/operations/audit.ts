/** The audit chain for those who keep it elsewhere: checkpoints and exports. */
import { z } from 'zod'
import { checkpoint as checkpointOf, exportPage } from '../access/index.ts'
import { readNumberCursor } from '../base/page.ts'
import { operation } from './operation.ts'
import { cursor, page, time } from './shapes.ts'

const signedCheckpoint = z.object({
  workspace: z.string(),
  seq: z.number().describe('the last entry that it speaks of'),
  hash: z.string(),
  count: z.number().describe('how many entries were kept then, up to this one'),
  at: time,
  key_id: z.string(),
  public_key: z.string().describe('of this installation: Ed25519, 32 bytes in base64url'),
  signature: z.string(),
})

export const checkpoint = operation({
  name: 'audit.checkpoint',
  http: 'GET /v1/audit/checkpoint',
  about: 'What the audit chain has come to, signed. Keep one elsewhere: it shows a later rewrite, and a tail that was cut.',
  scope: 'audit:read',
  role: 'workspace_admin',
  reach: 'workspace',
  effect: 'read',
  audit: { none: 'reading the log is not an act on anything' },
  input: z.strictObject({}),
  output: signedCheckpoint,
  run: async ({ uses, vault }, { caller, now, read }) => {
    await uses.flush()
    return read((tx) => checkpointOf(tx, vault.signer, caller.workspace, now()))
  },
})

export const exportAll = operation({
  name: 'audit.export',
  http: 'GET /v1/audit/export',
  about:
    'The audit chain as JSON lines that can be checked without this server: each entry with the uses it answers for, then a checkpoint.',
  scope: 'audit:read',
  role: 'workspace_admin',
  reach: 'workspace',
  effect: 'read',
  audit: { none: 'reading the log is not an act on anything' },
  lines: true,
  input: z.strictObject({ after: z.coerce.number().int().min(0).optional().describe('only the entries behind this one'), cursor }),
  output: page(
    z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('export'), format: z.literal(1), workspace: z.string(), after: signedCheckpoint.nullable() }),
      z.object({ kind: z.literal('entry'), seq: z.number(), entry: z.string(), uses: z.array(z.string()), hash: z.string() }),
      signedCheckpoint.extend({ kind: z.literal('checkpoint') }),
    ]),
  ),
  run: async ({ uses, vault }, { caller, now, read }, input) => {
    const place = readNumberCursor(input.cursor)
    if (place === null) await uses.flush()
    const ask = { workspace: caller.workspace, after: input.after ?? null, cursor: place, now: now() }
    const { lines, next } = await read((tx) => exportPage(tx, vault.signer, ask))
    return { items: lines, next_cursor: next === null ? null : Buffer.from(String(next)).toString('base64url') }
  },
})
