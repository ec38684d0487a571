/** Who has used which secret, for what and where. */
import { z } from 'zod'
import type { UseFilter } from '../access/index.ts'
import { fail } from '../base/errors.ts'
import { type Page, pageOf, readCursor } from '../base/page.ts'
import { PURPOSES } from '../base/secret-use.ts'
import { type Ctx, operation, type Rooms } from './operation.ts'
import { cursor, id, limit, page, time } from './shapes.ts'

const use = z.object({
  first_at: time,
  last_at: time,
  uses: z.number().describe('how many times between the two'),
  connection_id: z
    .string()
    .describe('or of the OAuth app or the inbound webhook whose secret it is; deployment:… where the configuration brings it'),
  credential_version: z.number(),
  purpose: z.enum(PURPOSES),
  host: z.string().nullable(),
  actor: z.string(),
  run_id: z.string().nullable(),
  step_id: z.string().nullable(),
  attempt: z.number().nullable(),
  instance_id: z.string().nullable(),
  tool: z.string().nullable(),
  seq: z.number().describe('the audit entry that answers for it'),
})
const filters = {
  limit,
  cursor,
  actor: z.string().max(100).optional(),
  tool: z.string().max(100).optional(),
  purpose: z.enum(PURPOSES).optional(),
  run_id: z.string().max(80).optional(),
  since: z.iso.datetime().optional(),
  until: z.iso.datetime().optional(),
}
type Filters = z.output<z.ZodObject<typeof filters>>

function placeIn(text: string | undefined): { seq: number; n: number } | null {
  const key = readCursor(text)
  if (key === null) return null
  const found = /^(\d{1,15})-(\d{1,9})$/.exec(key) ?? fail('INVALID_INPUT', 'cursor is not one that a list gave out')
  return { seq: Number(found[1]), n: Number(found[2]) }
}

async function listed(
  { uses }: Rooms,
  { read }: Pick<Ctx, 'read'>,
  of: Pick<UseFilter, 'owner' | 'seq'>,
  f: Filters,
): Promise<Page<z.input<typeof use>>> {
  const before = placeIn(f.cursor)
  if (before === null) await uses.flush() // what was used a moment ago is on the first page
  const found = await read((tx) =>
    uses.page(tx, {
      limit: f.limit + 1,
      before,
      ...of,
      actor: f.actor,
      tool: f.tool,
      purpose: f.purpose,
      run: f.run_id,
      since: f.since ? new Date(f.since) : undefined,
      until: f.until ? new Date(f.until) : undefined,
    }),
  )
  return pageOf(
    found,
    f.limit,
    (r) => `${r.seq}-${r.n}`,
    (r) => ({
      first_at: r.first_at.toISOString(),
      last_at: r.last_at.toISOString(),
      uses: r.uses,
      connection_id: r.owner_id,
      credential_version: r.version,
      purpose: r.purpose,
      host: r.host,
      actor: r.actor,
      run_id: r.run_id,
      step_id: r.step_id,
      attempt: r.attempt,
      instance_id: r.instance_id,
      tool: r.tool,
      seq: r.seq,
    }),
  )
}

export const ofConnection = operation({
  name: 'connections.uses',
  http: 'GET /v1/connections/{id}/uses',
  about: 'Every use of this connection’s secret: who, for what, where to, in which version; newest first.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ id: id('connection'), ...filters }),
  output: page(use),
  run: async (rooms, ctx, input) => {
    await ctx.read((tx) => rooms.connections.get(tx, input.id))
    return listed(rooms, ctx, { owner: input.id }, input)
  },
})

export const all = operation({
  name: 'audit.uses',
  http: 'GET /v1/audit/uses',
  about: 'Every use of a secret of this workspace, those of deleted connections too; newest first.',
  scope: 'audit:read',
  role: 'workspace_admin',
  reach: 'workspace',
  effect: 'read',
  audit: { none: 'reading the log is not an act on anything' },
  input: z.strictObject({
    connection_id: z.string().max(80).optional(),
    seq: z.coerce.number().int().min(1).optional().describe('only those that this audit entry answers for'),
    ...filters,
  }),
  output: page(use),
  run: (rooms, ctx, { connection_id, seq, ...more }) => listed(rooms, ctx, { owner: connection_id, seq }, more),
})
