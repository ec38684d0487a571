/** Every operation over both faces, with tokens and roles that may and that may not: the verdict is the same, and the expected one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROLES, SCOPES, type ScopeName } from '../../src/access/index.ts'
import { type AnyOperation, operations, scopesOf } from '../../src/operations/index.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { behindTheScenes } from './acts.ts'
import { ERAS, message, send, verdict } from './mcp-client.ts'
import { asking, rowsOf } from './tenants.ts'

let rt: TestRuntime
let workspace: string
beforeAll(async () => {
  rt = await runtime()
  workspace = (await rt.ok('GET', '/v1/me')).workspace.id
})
afterAll(() => rt?.[Symbol.asyncDispose]())

const offered = operations.filter((op) => !op.hideFrom?.mcp)
const pathFields = (op: AnyOperation) => [...op.http.matchAll(/\{(\w+)\}/g)].map((m) => m[1] as string)
/** Ids that nobody has and nothing else: what is let in ends in an answer, in 400 or in 404, and changes nothing. */
const nobody = (op: AnyOperation) => Object.fromEntries(pathFields(op).map((name) => [name, 'none']))

async function overHttp(op: AnyOperation, pat: string): Promise<{ said: string; body: unknown }> {
  const [method = '', path = ''] = op.http.split(' ')
  const bodied = method !== 'GET' && method !== 'DELETE'
  const answer = await asking(rt, pat).api(method, path.replaceAll(/\{\w+\}/g, 'none'), bodied ? {} : undefined)
  return { said: answer.status < 300 ? 'ok' : answer.body.code, body: answer.status < 300 ? answer.body : answer.body.error }
}

let turn = 0
async function overMcp(op: AnyOperation, pat: string): Promise<{ said: string; body: unknown; status: number; challenge: string }> {
  const era = ERAS[turn++ % 2] as (typeof ERAS)[number]
  const name = op.name.replaceAll('.', '_')
  const answer = await send(rt, '/mcp', { ...message(era, 'tools/call', { name, arguments: nobody(op) }), token: pat })
  const { result, error } = answer.body
  const more = { status: answer.status, challenge: String(answer.headers['www-authenticate'] ?? '') }
  if (error) return { said: error.data.code, body: error.message, ...more }
  const said = verdict(result)
  return { said, body: said === 'ok' ? result.structuredContent : JSON.parse(result.content[1].text).error, ...more }
}

const tokens = new Map<string, string>()
async function token(scopes: readonly ScopeName[], user?: string): Promise<string> {
  const key = `${user} ${scopes.join(' ')}`
  const known = tokens.get(key)
  if (known) return known
  const { id, token: made } = await rt.mint({ display_name: 'Matrix', scopes })
  if (user) {
    await using scenes = await behindTheScenes(rt)
    await scenes.rows('update pats set user_id = $1 where id = $2', [user, id])
  }
  tokens.set(key, made)
  return made
}
/** Answers tell the time and ids of their own making. */
const still = (body: unknown) => JSON.stringify(body)?.replaceAll(/"\d{4}-\d\d-\d\dT[^"]+"/g, '"then"')

describe('every tool', () => {
  it('[mcp.same-verdict] with its scope alone and with every scope but its own', async () => {
    for (const scope of new Set(offered.flatMap((op) => op.scope ?? []))) {
      await token([scope])
      await token(SCOPES.filter((it) => it !== scope))
    }
    for (const op of offered) await token(op.scope ? scopesOf(op) : ['webhook:write'])
    const before = await rowsOf(rt, workspace)
    const verdicts = new Set<string>()
    let asked = 0
    for (const op of offered) {
      const enough = await token(op.scope ? scopesOf(op) : ['webhook:write'])
      const http = await overHttp(op, enough)
      const mcp = await overMcp(op, enough)
      expect(`${op.name} ${mcp.said}`).toBe(`${op.name} ${http.said}`)
      expect(mcp.said, op.name).not.toBe('FORBIDDEN')
      expect(mcp.status, op.name).toBe(200)
      // Tokens note when they were used, which is neither answer's doing; audit.verify counts what both faces are doing here. Checkpoints are
      // signed with their time, and an export has one.
      const apart = ['pats.list', 'audit.list', 'audit.verify', 'audit.checkpoint', 'audit.export']
      if (!apart.includes(op.name)) expect(still(mcp.body), op.name).toBe(still(http.body))
      verdicts.add(mcp.said)
      asked++
      if (!op.scope) continue
      const without = await token(SCOPES.filter((it) => it !== op.scope))
      const refused = await overMcp(op, without)
      const challenge = expect.stringContaining(`error="insufficient_scope", scope="${op.scope}"`)
      expect(refused, op.name).toMatchObject({ said: 'FORBIDDEN', status: 403, challenge })
      expect(await overHttp(op, without), op.name).toEqual({ said: 'FORBIDDEN', body: refused.body })
    }
    expect(asked).toBe(offered.length)
    expect([...verdicts].sort()).toEqual(expect.arrayContaining(['INVALID_INPUT', 'NOT_FOUND', 'ok']))
    const { audit_entries: _, audit_heads: __, ...after } = await rowsOf(rt, workspace)
    const { audit_entries: ___, audit_heads: ____, ...then } = before
    expect(after).toEqual(then)
    // One entry of each face for each refusal.
    const audit = (await rt.ok('GET', '/v1/audit?limit=200')).items as { entry: { outcome: string; details: { via?: string } } }[]
    const refusals = audit.filter((it) => it.entry.outcome === 'refused')
    expect(refusals.filter((it) => it.entry.details.via === 'mcp').length).toBe(offered.filter((op) => op.scope).length)
    expect(refusals.filter((it) => it.entry.details.via === undefined).length).toBe(offered.filter((op) => op.scope).length)
  })

  it('[mcp.same-verdict] in every role: lists show what may be called, and what may not is refused as over HTTP', async () => {
    await using scenes = await behindTheScenes(rt)
    const { project_id } = await rt.ok('GET', '/v1/me')
    for (const role of ['project_viewer', 'project_contributor', 'project_admin', 'workspace_admin'] as const) {
      const user = `user_${role}`
      await scenes.rows('insert into users (id, email, name) values ($1, $2, $1)', [user, `${role}@example.com`])
      const standing = role === 'workspace_admin' ? 'admin' : 'member'
      await scenes.rows('insert into members (workspace_id, user_id, role) values ($1, $2, $3)', [workspace, user, standing])
      if (standing === 'member')
        await scenes.rows('insert into project_members (workspace_id, project_id, user_id, role) values ($1, $2, $3, $4)', [
          workspace,
          project_id,
          user,
          role,
        ])
      const pat = await token(SCOPES, user)
      const listed = (await send(rt, '/mcp', { ...message('2026-07-28', 'tools/list'), token: pat })).body.result.tools
      const may = offered.filter((op) => ROLES.indexOf(role) >= ROLES.indexOf(op.role))
      expect(listed.map((t: { name: string }) => t.name).sort()).toEqual(may.map((op) => op.name.replaceAll('.', '_')).sort())
      for (const op of offered) {
        const mcp = await overMcp(op, pat)
        const http = await overHttp(op, pat)
        expect(`${role} ${op.name} ${mcp.said}`).toBe(`${role} ${op.name} ${http.said}`)
        expect(mcp.said === 'FORBIDDEN', `${role} ${op.name}`).toBe(!may.includes(op))
        // Another token would not help, so none is asked for.
        expect(mcp, op.name).toMatchObject({ status: 200, challenge: '' })
      }
    }
  })

  it('[mcp.same-verdict] an instance offers nothing to who may not call, and answers as HTTP does', async () => {
    const viewer = await token(SCOPES, 'user_project_viewer')
    const { id } = await rt.ok('POST', '/v1/mcp/instances', { slug: 'sqlite', name: 'Files' })
    const at = `/mcp/instances/${id}`
    const list = async (pat: string) => (await send(rt, at, { ...message('2026-07-28', 'tools/list'), token: pat })).body.result.tools
    expect(await list(viewer)).toEqual([])
    expect((await list(rt.pat)).length).toBeGreaterThan(5)
    const args = { name: 'sqlite_list_tables', arguments: {} }
    const refused = await send(rt, at, { ...message('2025-11-25', 'tools/call', args), token: viewer })
    expect(verdict(refused.body.result)).toBe('FORBIDDEN')
    const http = await asking(rt, viewer).api('POST', `/v1${at}/tools/sqlite_list_tables/call`, { args: {} })
    expect(http.body.code).toBe('FORBIDDEN')
  })
})
