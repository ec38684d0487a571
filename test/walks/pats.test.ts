/** Tokens: made by people, seen by their owners, ended by whoever may, and reported by anybody. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAccess, newToken } from '../../src/access/index.ts'
import { createDb, openPool } from '../../src/base/db.ts'
import { APP_ROLE } from '../../src/base/migrate.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { behindTheScenes } from './acts.ts'
import { asking } from './tenants.ts'

let rt: TestRuntime
/** Members of the owner's project, by role: asked with a session. */
const people: Record<string, TestRuntime> = {}

beforeAll(async () => {
  rt = await runtime()
  await using scenes = await behindTheScenes(rt)
  const [project] = await scenes.rows('select id, workspace_id from projects')
  const pool = openPool(rt.connection, APP_ROLE, 2)
  const access = createAccess({ db: createDb(pool), now: Date.now })
  for (const role of ['project_viewer', 'project_contributor', 'project_admin']) {
    const id = `user_${role}`
    await scenes.rows('insert into users (id, email, name) values ($1, $1, $1)', [id])
    await scenes.rows("insert into members (workspace_id, user_id, role) values ($1, $2, 'member')", [project?.workspace_id, id])
    await scenes.rows('insert into project_members (workspace_id, project_id, user_id, role) values ($1, $2, $3, $4)', [
      project?.workspace_id,
      project?.id,
      id,
      role,
    ])
    people[role] = asking(rt, rt.pat, await access.begin(id, { ip: null, userAgent: null }))
  }
  await access.close()
  await pool.end()
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
})

const as = (role: string) => people[role] as TestRuntime
const ids = (page: { items: { id: string }[] }) => page.items.map((it) => it.id)

describe('a token', () => {
  it('[access.session-only] is made by a person, ends by itself, and shows its last four characters', async () => {
    const made = await rt.mint({ display_name: 'CI', scopes: ['workflow:read'] })
    expect(made.token).toMatch(/^ar_pat_[0-9A-Za-z]{36}$/)
    expect(made).toMatchObject({ display_name: 'CI', scopes: ['workflow:read'], last_four: made.token.slice(-4), last_used_at: null })
    const days = (Date.parse(made.expires_at) - Date.parse(made.created_at)) / 86_400_000
    expect(Math.round(days)).toBe(90)
    for (const [wrong, says] of [
      [{ expires_in_days: 367 }, /expires_in_days/],
      [{ expires_in_days: 0 }, /expires_in_days/],
      [{ scopes: ['everything'] }, /scopes/],
      [{ scopes: [] }, /scopes/],
      [{ project_id: 'proj_elsewhere' }, /proj_elsewhere/],
    ] as const) {
      const answer = await rt.api('POST', '/v1/pats', { display_name: 'x', scopes: ['workflow:read'], ...wrong }, await rt.session())
      expect([400, 404]).toContain(answer.status)
      expect(answer.body.error).toMatch(says)
    }
    const viewer = await rt.api('POST', '/v1/pats', { display_name: 'x', scopes: ['workflow:read'] }, await as('project_viewer').session())
    expect([viewer.status, viewer.body.details.needed_role]).toEqual([403, 'project_contributor'])
  })

  it('[access.scopes] does what its scopes and the role of its owner allow, and no more when the role shrinks', async () => {
    const { token } = await as('project_contributor').mint({
      display_name: 'wide',
      scopes: ['workflow:read', 'workflow:write', 'audit:read'],
    })
    const it = asking(rt, token)
    expect((await it.api('POST', '/v1/workflows', { name: 'Mine', graph: { steps: [] } })).status).toBe(201)
    expect((await it.api('GET', '/v1/audit')).body.details).toEqual({ needed_role: 'workspace_admin' }) // the scope alone is not enough
    expect((await it.api('GET', '/v1/connections')).body.details).toEqual({ missing_scope: 'connection:read' }) // nor is the role
    await using scenes = await behindTheScenes(rt)
    await scenes.rows("update project_members set role = 'project_viewer' where user_id = 'user_project_contributor'")
    await until(
      async () => (await it.api('POST', '/v1/workflows', { name: 'Late', graph: { steps: [] } })).status === 403,
      'the role to count',
      1_500,
    )
    expect((await it.api('GET', '/v1/workflows')).status).toBe(200)
    await scenes.rows("update project_members set role = 'project_contributor' where user_id = 'user_project_contributor'")
  })

  it('[access.pat-revoked] dies within a second with the person, the membership, or the place in the project', async () => {
    await using scenes = await behindTheScenes(rt)
    for (const [ends, mends] of [
      [
        "update users set disabled_at = now() where id = 'user_project_admin'",
        "update users set disabled_at = null where id = 'user_project_admin'",
      ],
      [
        "update members set disabled_at = now() where user_id = 'user_project_admin'",
        "update members set disabled_at = null where user_id = 'user_project_admin'",
      ],
      ["delete from project_members where user_id = 'user_project_admin'", null],
    ] as const) {
      const { token } = await as('project_admin').mint({ display_name: 'x', scopes: ['workflow:read'] })
      const it = asking(rt, token)
      expect((await it.api('GET', '/v1/workflows')).status).toBe(200)
      const [place] = await scenes.rows("select * from project_members where user_id = 'user_project_admin'")
      await scenes.rows(ends)
      await until(async () => (await it.api('GET', '/v1/workflows')).status === 401, `${ends} to count`, 1_500)
      // The session of the same person has nowhere to work either, or is over.
      const session = await rt.api('GET', '/v1/workflows', undefined, await as('project_admin').session())
      expect([401, 403]).toContain(session.status)
      if (mends) await scenes.rows(mends)
      else
        await scenes.rows('insert into project_members (workspace_id, project_id, user_id, role) values ($1, $2, $3, $4)', [
          place?.workspace_id,
          place?.project_id,
          place?.user_id,
          place?.role,
        ])
      await until(async () => (await it.api('GET', '/v1/workflows')).status === 200, 'it to work again', 1_500)
      const mine = await as('project_admin').session()
      await until(async () => (await rt.api('GET', '/v1/workflows', undefined, mine)).status === 200, 'the session too', 1_500)
    }
  })

  it('[access.last-use] tells when and from where it was used last, a few seconds later', async () => {
    const { id, token } = await rt.mint({ display_name: 'used', scopes: ['workflow:read'] })
    const before = Date.now()
    await asking(rt, token).ok('GET', '/v1/workflows')
    const it = await until(
      async () => (await rt.ok('GET', '/v1/pats')).items.find((p: { id: string; last_used_at: string }) => p.id === id && p.last_used_at),
      'the last use to be written',
      10_000,
    )
    expect(Date.parse(it.last_used_at)).toBeGreaterThanOrEqual(before - 1)
    expect(it.last_used_ip).toBe('127.0.0.1')
  })
})

describe('whose token', () => {
  it('[access.own-tokens] people see and end their own; an admin of the project those of everybody', async () => {
    const mine = await rt.mint({ display_name: 'of the owner', scopes: ['workflow:read'] })
    const theirs = await as('project_contributor').mint({ display_name: 'of a contributor', scopes: ['workflow:read'] })
    const list = async (who: TestRuntime) => ids(await rt.ok('GET', '/v1/pats?limit=200', undefined, await who.session()))
    expect(await list(as('project_contributor'))).toContain(theirs.id)
    expect(await list(as('project_contributor'))).not.toContain(mine.id)
    expect(await list(as('project_admin'))).toEqual(expect.arrayContaining([mine.id, theirs.id]))
    const end = async (who: TestRuntime, id: string) =>
      rt.api('DELETE', `/v1/pats/${id}`, undefined, { ...(await who.session()), 'content-type': 'application/json' })
    const strange = await end(as('project_contributor'), mine.id)
    const unknown = await end(as('project_contributor'), 'pat_none')
    expect([strange.status, strange.body.error.replace(mine.id, '')]).toEqual([404, unknown.body.error.replace('pat_none', '')])
    expect((await asking(rt, mine.token).api('GET', '/v1/workflows')).status).toBe(200)
    expect((await end(as('project_contributor'), theirs.id)).status).toBe(200)
    expect((await end(as('project_admin'), mine.id)).status).toBe(200)
    expect((await asking(rt, mine.token).api('GET', '/v1/workflows')).status).toBe(401)
  })

  it('[access.pat-revoked] all of one’s own at once', async () => {
    const made = await Promise.all(
      ['a', 'b'].map((name) => as('project_contributor').mint({ display_name: name, scopes: ['workflow:read'] })),
    )
    const other = await rt.mint({ display_name: 'stays', scopes: ['workflow:read'] })
    const answer = await rt.ok('DELETE', '/v1/pats', undefined, {
      ...(await as('project_contributor').session()),
      'content-type': 'application/json',
    })
    expect(answer.revoked).toBeGreaterThanOrEqual(2)
    for (const { token } of made) expect((await asking(rt, token).api('GET', '/v1/workflows')).status).toBe(401)
    expect((await asking(rt, other.token).api('GET', '/v1/workflows')).status).toBe(200)
  })
})

describe('a token that got out', () => {
  const report = (token: string) => rt.api('POST', '/v1/pats/report-leaked', { token }, { cookie: '' })

  it('[access.leaked] is revoked by whoever reports it, who learns nothing by that', async () => {
    const { id, token } = await rt.mint({ display_name: 'leaked', scopes: ['workflow:read'] })
    const it = asking(rt, token)
    expect((await it.api('GET', '/v1/workflows')).status).toBe(200)
    const heard = []
    for (const one of [newToken(), token, token, 'ar_pat_nonsense', 'not even close']) {
      const { status, text, headers } = await report(one)
      const { date: _, 'x-request-id': __, ...rest } = Object.fromEntries(headers)
      heard.push(JSON.stringify([status, text, rest]))
    }
    expect(new Set(heard).size).toBe(1)
    expect(heard[0]).toContain('[200,"{\\"ok\\":true}"')
    expect((await it.api('GET', '/v1/workflows')).status).toBe(401)
    const entries = (await rt.ok('GET', `/v1/audit?target=${id}`)).items
    expect(entries.map((e: { action: string; actor: string }) => `${e.action} by ${e.actor.split(':')[0]}`)).toEqual([
      'pat.reported_leaked by anyone',
      'pat.created by user',
    ])
    expect(await rt.ok('GET', '/v1/audit/verify')).toMatchObject({ ok: true })
  })

  it('[access.leaked] is known by a pattern that finds each token and nothing that is none', async () => {
    const { pattern } = await rt.ok('GET', '/v1/pats/pattern', undefined, { cookie: '' })
    const scanner = new RegExp(pattern, 'g')
    const tokens = Array.from({ length: 50 }, newToken)
    expect(`x=${tokens.join('&y=')};`.match(scanner)).toEqual(tokens)
    expect(`ar_pat_short and ar-pat-${'a'.repeat(36)}`.match(scanner)).toBe(null)
  })

  it('[access.leaked] reports are limited, so that nobody tries tokens by reporting them', async () => {
    let answer = await report(newToken())
    for (let i = 0; i < 60; i++) answer = await report(newToken())
    expect([answer.status, answer.body.code]).toEqual([429, 'RATE_LIMITED'])
  })
})
