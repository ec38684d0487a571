/** Personal access tokens. A person makes them; a token makes none. */
import { z } from 'zod'
import { PAT_DEFAULT_DAYS, PAT_MAX_DAYS, PAT_PATTERN, SCOPES } from '../access/index.ts'
import { fail } from '../base/errors.ts'
import { pageOf, readCursor } from '../base/page.ts'
import { operation } from './operation.ts'
import { cursor, done, id, limit, name, page, pat } from './shapes.ts'

export const listPats = operation({
  name: 'pats.list',
  http: 'GET /v1/pats',
  about: 'Your personal access tokens for this project; for its admins, those of everybody. Their values are never shown again.',
  scope: 'pat:write',
  role: 'project_contributor',
  effect: 'read',
  audit: { none: 'shows facts about tokens, never a token' },
  input: z.strictObject({ limit, cursor }),
  output: page(pat),
  run: ({ access }, { caller, read }, input) =>
    read(async (tx) =>
      pageOf(
        await access.pats(tx, caller, input.limit + 1, readCursor(input.cursor)),
        input.limit,
        (p) => p.id,
        (p) => p,
      ),
    ),
})

export const createPat = operation({
  name: 'pats.create',
  http: 'POST /v1/pats',
  about: 'Create a personal access token. The answer holds it once; it cannot be shown again.',
  scope: 'pat:write',
  role: 'project_contributor',
  by: 'session',
  effect: 'write',
  audit: { log: 'pat.created' },
  status: 201,
  hideFrom: { mcp: 'its answer holds a token, which a model must not see', cli: 'a token makes no tokens' },
  input: z.strictObject({
    display_name: name,
    scopes: z.array(z.enum(SCOPES)).min(1),
    expires_in_days: z.number().int().min(1).max(PAT_MAX_DAYS).default(PAT_DEFAULT_DAYS),
    project_id: z.string().optional().describe("the caller's own project"),
  }),
  output: pat.extend({ token: z.string() }),
  run: async ({ access }, { caller, act, read }, { project_id, ...input }) => {
    if (project_id !== undefined && project_id !== caller.project)
      fail('NOT_FOUND', `there is no project ${project_id} here`, { hint: 'X-Project-Id says in which project a token is made.' })
    const more = input.scopes.filter((s) => !caller.scopes.includes(s))
    if (more.length > 0)
      fail('FORBIDDEN', `you do not have ${more.join(', ')}, so you cannot give that away`, { details: { missing_scopes: more } })
    const made = await act(
      (tx) => access.createPat(tx, caller, input),
      ({ pat: p }) => ({ target: p.id, details: { scopes: p.scopes, expires_at: p.expires_at } }),
    )
    await read((tx) => access.tellOfToken(tx, caller, made.pat))
    return { ...made.pat, token: made.token }
  },
})

export const revokePat = operation({
  name: 'pats.revoke',
  http: 'DELETE /v1/pats/{id}',
  about: 'Revoke a token: your own, or as an admin of the project anybody’s. It stops working within a second.',
  scope: 'pat:write',
  role: 'project_contributor',
  effect: 'destroy',
  audit: { log: 'pat.revoked' },
  input: z.strictObject({ id: id('token') }),
  output: done,
  run: async ({ access }, { caller, act }, input) => {
    await act(
      (tx) => access.revokePat(tx, caller, input.id),
      () => ({ target: input.id }),
    )
    return { ok: true as const }
  },
})

export const revokeAll = operation({
  name: 'pats.revoke_all',
  http: 'DELETE /v1/pats',
  about: 'Revoke all of your tokens for this project.',
  scope: null,
  role: 'project_viewer',
  by: 'session',
  effect: 'destroy',
  audit: { log: 'pat.all_revoked' },
  hideFrom: { mcp: 'for people who have signed in', cli: 'it would end the token that asks' },
  input: z.strictObject({}),
  output: z.object({ revoked: z.number() }),
  run: async ({ access }, { caller, act }) => ({
    revoked: await act(
      (tx) => access.revokeOwnPats(tx, caller),
      (revoked) => ({ target: caller.userId, details: { revoked } }),
    ),
  }),
})

export const pattern = operation({
  name: 'pats.pattern',
  http: 'GET /v1/pats/pattern',
  about: 'How a token looks, for scanners of source code and logs.',
  scope: null,
  role: 'project_viewer',
  by: 'anyone',
  effect: 'read',
  audit: { none: 'the same for everybody' },
  hideFrom: { mcp: 'for scanners' },
  input: z.strictObject({}),
  output: z.object({ pattern: z.string().describe('regular expression'), checksum: z.string(), report_to: z.string() }),
  run: async () => ({
    pattern: PAT_PATTERN.source.replace(/^\^|\$$/g, ''),
    checksum: 'the last 6 characters are the CRC-32 of everything before them, in base 62 (0-9, A-Z, a-z), padded with 0',
    report_to: 'POST /v1/pats/report-leaked',
  }),
})

export const reportLeaked = operation({
  name: 'pats.report_leaked',
  http: 'POST /v1/pats/report-leaked',
  about: 'Report a token that was found where it should not be. If it is alive it is revoked; the answer is the same either way.',
  scope: null,
  role: 'project_viewer',
  by: 'anyone',
  effect: 'destroy',
  audit: { none: 'written to the log of the workspace of the token, where there is one' },
  hideFrom: { mcp: 'it takes a token, which a model must not hold', cli: 'for scanners: it needs no sign-in' },
  input: z.strictObject({ token: z.string().min(1).max(200).meta({ writeOnly: true }) }),
  output: done,
  run: async ({ access }, { browser }, input) => {
    await access.reportLeaked(input.token, browser.from)
    return { ok: true as const }
  },
})
