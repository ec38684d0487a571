/** The walls behind the API: row-level security, the working role's rights, the audit chain, tokens and roles. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAccess, newToken, ROLES, verifyAudit } from '../../src/access/index.ts'
import { createDb, type Db, openPool } from '../../src/base/db.ts'
import { APP_ROLE } from '../../src/base/migrate.ts'
import { operations } from '../../src/operations/index.ts'
import { sql } from 'kysely'
import type { Provider } from '../fakes/provider.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { behindTheScenes, ended } from './acts.ts'
import { asking, type Belongings, belongings, secondTenant, startGoogle, type Tenant } from './tenants.ts'

let google: Provider
let rt: TestRuntime
let other: Tenant
let mine: Belongings
let pool: pg.Pool
let db: Db

beforeAll(async () => {
  google = await startGoogle()
  rt = await runtime({ allowPrivate: [google.url] })
  other = await secondTenant(rt, 'other')
  mine = await belongings(rt, google, 'ada')
  const theirs = await belongings(other.as, google, 'bo')
  await ended(rt, mine.workflow, mine.run)
  await ended(other.as, theirs.workflow, theirs.run)
  pool = openPool(rt.connection, APP_ROLE, 3)
  db = createDb(pool)
})
afterAll(async () => {
  await pool?.end()
  await rt?.[Symbol.asyncDispose]()
  await google?.close()
})

/** Tables without a tenant, each for a reason. */
const SHARED = {
  schema_migrations: 'facts about the database',
  users: 'a person may belong to several workspaces; found through members only',
  vault_keys: 'the ring seals for every tenant',
  vault_sentinel: 'tells a wrong root key',
  executors: 'processes, not tenants',
  installation: 'which database this is: one row for all, of the operator',
  oauth_refusals: 'clients that their provider refuses, those of the operator among them; found by the key of a client only',
}

/** Of people, who may be in several workspaces: no tenant sees any of it. */
const PERSONAL = ['passwords', 'identities', 'sessions', 'reset_links']

describe('row-level security', () => {
  it('[access.rls] every table with a tenant has a policy that holds for its owner too; the others are named', async () => {
    await using scenes = await behindTheScenes(rt)
    const tables = await scenes.rows(`
      select c.relname as name, c.relrowsecurity and c.relforcerowsecurity as forced,
             (select count(*)::int from pg_policies p where p.schemaname = 'public' and p.tablename = c.relname) as policies,
             exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'workspace_id' and not a.attisdropped) as tenant
        from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind in ('r', 'p') order by 1`)
    expect(tables.filter((t) => t.tenant).length).toBeGreaterThan(15)
    for (const { name, forced, policies, tenant } of tables)
      expect({ name, tenant, forced, policies }).toEqual({
        name,
        tenant: !(name in SHARED || PERSONAL.includes(name)),
        forced: !(name in SHARED),
        policies: name in SHARED ? 0 : 1,
      })
    for (const name of PERSONAL)
      expect(
        await db.tx({ workspace: other.workspace, project: other.project }, (tx) => tx.all(sql`select 1 from ${sql.table(name)}`)),
      ).toEqual([])
    expect(await scenes.rows("select 1 from pg_views where schemaname = 'public'")).toEqual([]) // a view would run with its owner's rights
    // It deletes what is behind a floor, which only a checkpoint sets, and nothing else.
    expect(await scenes.rows("select proname from pg_proc where prosecdef and pronamespace = 'public'::regnamespace")).toEqual([
      { proname: 'audit_drop' },
    ])
  })

  it('[access.rls] without any WHERE a transaction of one tenant sees no row of another', async () => {
    await using scenes = await behindTheScenes(rt)
    const names = await scenes.rows(
      "select table_name as name from information_schema.columns where table_schema = 'public' and column_name = 'workspace_id'",
    )
    const scope = { workspace: other.workspace, project: other.project }
    const filled: string[] = []
    for (const { name } of names) {
      const all = await scenes.rows(`select distinct workspace_id as it from ${name}`)
      const seen = await db.tx(scope, (tx) => tx.all<{ it: string }>(sql`select distinct workspace_id as it from ${sql.table(name)}`))
      expect(
        seen.map((r) => r.it).filter((it) => it !== other.workspace),
        name,
      ).toEqual([])
      if (all.length === 2) {
        expect(seen, name).toHaveLength(1) // there is something to hide, and something to see
        filled.push(name)
      }
    }
    for (const name of [
      'connections',
      'sealed',
      'runs',
      'run_events',
      'run_steps',
      'workflows',
      'profiles',
      'pats',
      'audit_entries',
      'tool_calls',
      'oauth_apps',
      'oauth_attempts',
      'grants',
    ])
      expect(filled).toContain(name)
    // Nor may it write there.
    for (const statement of ["update connections set name = 'x'", 'delete from workflow_versions'])
      await db.tx(scope, (tx) => tx.run(sql.raw(statement)))
    const names2 = await scenes.rows('select name from connections where workspace_id <> $1', [other.workspace])
    expect(names2.map((r) => r.name).sort()).toEqual(['An account', 'Mine'])
    expect(await scenes.rows('select 1 from workflow_versions where workspace_id <> $1', [other.workspace])).toHaveLength(1)
    const insert = db.tx(scope, (tx) =>
      tx.run(sql`insert into members (workspace_id, user_id, role) select ${'ws_elsewhere'}, id, 'owner' from users limit 1`),
    )
    await expect(insert).rejects.toThrow(/row-level security/)
  })

  it('[access.rls] a transaction that says no tenant sees nothing', async () => {
    const client = new pg.Client({ ...rt.connection, options: `-c role=${APP_ROLE}` })
    await client.connect()
    for (const table of ['connections', 'sealed', 'runs', 'pats', 'workspaces', 'audit_entries', 'oauth_apps', 'oauth_attempts', 'grants'])
      expect((await client.query(`select count(*)::int as n from ${table}`)).rows).toEqual([{ n: 0 }])
    await client.end()
  })

  it('[access.app-role] the working role owns nothing, is no superuser, cannot step around policies nor change the past', async () => {
    await using scenes = await behindTheScenes(rt)
    expect(
      await scenes.rows('select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin from pg_roles where rolname = $1', [
        APP_ROLE,
      ]),
    ).toEqual([{ rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false, rolcanlogin: false }])
    expect(await scenes.rows('select relname from pg_class where relowner = $1::regrole', [APP_ROLE])).toEqual([])
    const [me] = await db.everyTenant('who am I', (tx) => tx.all<{ it: string }>(sql`select current_user as it`))
    expect(me?.it).toBe(APP_ROLE)
    for (const statement of [
      "update audit_entries set actor = 'nobody'",
      'delete from audit_entries',
      'truncate audit_entries',
      'alter table audit_entries disable trigger audit_append_only',
      'alter table connections disable row level security',
      'select * from schema_migrations',
      'create table mine (id int)',
    ])
      await expect(
        db.everyTenant('a test of rights', (tx) => tx.run(sql.raw(statement))),
        statement,
      ).rejects.toThrow(/permission denied|must be owner/)
  })
})

describe('the audit chain', () => {
  /** Does something to the entries as the owner of the tables, past the trigger, and undoes it. */
  async function tampered(...statements: string[]): Promise<{ ok: boolean; problems: { seq: number; problem: string }[] }> {
    await using scenes = await behindTheScenes(rt)
    await scenes.rows('create table if not exists kept_entries as select * from audit_entries')
    await scenes.rows('create table if not exists kept_heads as select * from audit_heads')
    await scenes.rows('alter table audit_entries disable trigger user')
    try {
      for (const statement of statements) await scenes.rows(statement.replaceAll('$W', `'${other.workspace}'`))
      return (await verifyAudit(db, () => null, other.workspace))[0] as never
    } finally {
      await scenes.rows('delete from audit_entries')
      await scenes.rows('insert into audit_entries select * from kept_entries')
      await scenes.rows('update audit_heads h set seq = k.seq, hash = k.hash from kept_heads k where k.workspace_id = h.workspace_id')
      await scenes.rows('drop table kept_entries')
      await scenes.rows('drop table kept_heads')
      await scenes.rows('alter table audit_entries enable trigger user')
    }
  }
  const rehash =
    'hash = sha256((select p.hash from audit_entries p where p.workspace_id = $W and p.seq = 1) || int8send(2::int8) || convert_to(entry, $$UTF8$$))'

  it('[audit.append-only] the trigger stops even the owner of the table', async () => {
    await using scenes = await behindTheScenes(rt)
    await expect(scenes.rows('delete from audit_entries')).rejects.toThrow(/append-only/)
    await expect(scenes.rows("update audit_entries set actor = 'x'")).rejects.toThrow(/append-only/)
  })

  it.each([
    [
      'an edited entry',
      ["update audit_entries set entry = replace(entry, 'done', 'gone') where workspace_id = $W and seq = 2"],
      2,
      /was changed/,
    ],
    [
      'an edited entry with a hash of its own',
      [
        `update audit_entries set entry = replace(entry, 'done', 'gone'), ${rehash} where workspace_id = $W and seq = 2`.replace(
          'convert_to(entry',
          "convert_to(replace(entry, 'done', 'gone')",
        ),
      ],
      3,
      /was changed/,
    ],
    ['an edited column', ["update audit_entries set actor = 'nobody' where workspace_id = $W and seq = 3"], 3, /column actor/],
    ['a deleted entry', ['delete from audit_entries where workspace_id = $W and seq = 3'], 3, /missing/],
    [
      'two entries in each other’s place',
      [
        'update audit_entries set seq = -2 where workspace_id = $W and seq = 2',
        'update audit_entries set seq = 2 where workspace_id = $W and seq = 3',
        'update audit_entries set seq = 3 where workspace_id = $W and seq = -2',
      ],
      2,
      /its place/,
    ],
    [
      'an entry put in between',
      [
        'update audit_entries set seq = seq + 1000 where workspace_id = $W and seq > 2',
        'insert into audit_entries select workspace_id, 3, at, actor, action, target, project_id, entry, hash from audit_entries where workspace_id = $W and seq = 2',
        'update audit_entries set seq = seq - 999 where workspace_id = $W and seq > 1000',
      ],
      3,
      /was changed/,
    ],
    [
      'a tail that was cut',
      ['delete from audit_entries where workspace_id = $W and seq = (select seq from audit_heads where workspace_id = $W)'],
      0,
      /tail was cut/,
    ],
    [
      'a cut tail with a head set back',
      [
        'delete from audit_entries where workspace_id = $W and seq = (select seq from audit_heads where workspace_id = $W)',
        'update audit_heads set seq = seq - 1 where workspace_id = $W',
      ],
      0,
      /head does not match/,
    ],
    ['a log that was emptied', ['delete from audit_entries where workspace_id = $W'], 0, /tail was cut/],
  ])('[audit.tamper] finds %s', async (_name, statements, seq, says) => {
    const verdict = await tampered(...statements)
    expect(verdict.ok).toBe(false)
    expect(verdict.problems.map((p) => p.problem).join('\n')).toMatch(says)
    if (seq > 0) expect(verdict.problems[0]?.seq).toBe(seq)
    expect((await verifyAudit(db, () => null, other.workspace))[0]).toMatchObject({ ok: true }) // and it is whole again
  })

  it('[audit.whole] tells that an untouched chain is whole, and has an entry for each act of the API', async () => {
    await rt.ok('GET', '/v1/audit/uses?limit=1') // uses that were made are written
    const verdict = await rt.ok('GET', '/v1/audit/verify')
    expect(verdict).toMatchObject({ ok: true, problems: [] })
    const { items: all } = await rt.ok('GET', '/v1/audit?limit=200')
    expect(all).toHaveLength(verdict.entries)
    // Uses of secrets, and a run that is refused its target, are told of by the runtime itself.
    const itself = ['secrets.used', 'egress.refused']
    const items = all.filter((i: { action: string }) => !itself.includes(i.action))
    expect(all.filter((i: { action: string }) => i.action === 'egress.refused')).toHaveLength(1)
    expect(items.map((i: { action: string }) => i.action).reverse()).toEqual([
      'connection.created',
      'rotation.staged',
      'instance.created',
      'workflow.created',
      'workflow.published',
      'run.commanded',
      'owner.set_up',
      'pat.created',
      'webhook.created',
      'oauth_app.changed',
      'connection.sign_in_offered',
      'oauth_app.changed',
      'connection.sign_in_offered',
      'connection.connected',
      'invitation.created',
    ])
    expect(items.every((i: { actor: string }) => /^(pat|user):/.test(i.actor))).toBe(true)
    // What a browser brings back is no request to the API; who had asked for the link stands for it.
    const asked = items.filter((i: { action: string }) => i.action !== 'connection.connected')
    expect(asked.filter((i: { entry: { request_id?: string } }) => !/^req_/.test(i.entry.request_id ?? ''))).toEqual([])
  })
})

describe('tokens and roles', () => {
  it('[access.pat-checksum] a token with a wrong checksum is refused without asking the database', async () => {
    let asked = 0
    const counting = new Proxy(db, {
      get: (target, name) => {
        asked++
        return target[name as keyof Db]
      },
    })
    const access = createAccess({ db: counting, now: Date.now })
    const good = newToken()
    const wrong = good.slice(0, -1) + (good.endsWith('0') ? '1' : '0')
    await expect(access.authenticate(wrong, null)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(asked).toBe(0)
    await expect(access.authenticate(good, null)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(asked).toBe(1) // the probe notices when the database is asked
    await access.close()
  })

  it('[access.pat-revoked] a revoked token is dead within a second, also where somebody else revoked it', async () => {
    const { id, token } = await rt.mint({ display_name: 'Short-lived', scopes: ['connection:read'] })
    const as = asking(rt, token)
    expect((await as.api('GET', '/v1/connections')).status).toBe(200)
    await rt.ok('DELETE', `/v1/pats/${id}`)
    expect(await as.api('GET', '/v1/connections')).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } })

    const far = await rt.mint({ display_name: 'Elsewhere', scopes: ['connection:read'] })
    const there = asking(rt, far.token)
    expect((await there.api('GET', '/v1/connections')).status).toBe(200)
    await using scenes = await behindTheScenes(rt)
    await scenes.rows('update pats set revoked_at = now() where id = $1', [far.id])
    const began = performance.now()
    await until(async () => (await there.api('GET', '/v1/connections')).status === 401, 'the token to be dead', 3_000)
    expect(performance.now() - began).toBeLessThan(1_500)
  })

  it('[access.roles] each operation is refused below its role and not above it', async () => {
    await using scenes = await behindTheScenes(rt)
    const [project] = await scenes.rows('select id, workspace_id from projects where workspace_id <> $1', [other.workspace])
    const tokens: Record<string, TestRuntime> = {}
    const make = async (name: string, workspaceRole: string, projectRole: string | null) => {
      const user = `user_${name}`
      await scenes.rows('insert into users (id, email, name) values ($1, $1, $1)', [user])
      await scenes.rows('insert into members (workspace_id, user_id, role) values ($1, $2, $3)', [
        project?.workspace_id,
        user,
        workspaceRole,
      ])
      if (projectRole)
        await scenes.rows('insert into project_members (workspace_id, project_id, user_id, role) values ($1, $2, $3, $4)', [
          project?.workspace_id,
          project?.id,
          user,
          projectRole,
        ])
      const { id, token } = await rt.mint({ display_name: name, scopes: (await rt.ok('GET', '/v1/me')).scopes })
      await scenes.rows('update pats set user_id = $1 where id = $2', [user, id])
      tokens[name] = asking(rt, token)
    }
    await make('stranger', 'member', null)
    await make('project_viewer', 'member', 'project_viewer')
    await make('project_contributor', 'member', 'project_contributor')
    await make('project_admin', 'member', 'project_admin')
    await make('workspace_admin', 'admin', null)
    expect((await tokens.stranger?.api('GET', '/v1/me'))?.status).toBe(401) // no role in this project

    for (const role of ROLES.slice(0, 4)) {
      const as = tokens[role] as TestRuntime
      expect((await as.ok('GET', '/v1/me')).role).toBe(role)
      for (const op of operations) {
        // An id that nobody has and an empty body: allowed ends in 2xx, 400 or 404, and nothing happens.
        const path = (op.http.split(' ')[1] as string).replaceAll(/\{\w+\}/g, 'none')
        if (op.by) continue // not for tokens, or for everybody
        if (['vault.rotate', 'vault.rewrap'].includes(op.name)) continue // would really be done; the owner's walk does them
        const method = op.http.split(' ')[0] as string
        const answer = await as.api(method, path, method === 'GET' || method === 'DELETE' ? undefined : {})
        const enough = ROLES.indexOf(role) >= ROLES.indexOf(op.role)
        expect(`${role} ${op.name} ${answer.status === 403 ? 'refused' : 'let in'}`).toBe(
          `${role} ${op.name} ${enough ? 'let in' : 'refused'}`,
        )
        if (!enough) expect(answer.body).toMatchObject({ code: 'FORBIDDEN', details: { needed_role: op.role } })
      }
    }
    for (const path of ['rotate', 'rewrap']) expect((await tokens.workspace_admin?.api('POST', `/v1/vault/${path}`, {}))?.status).toBe(403)
  })

  it('[access.redirect-needs-admin] only a project admin may choose where a credential is sent', async () => {
    await using scenes = await behindTheScenes(rt)
    const { id, token } = await rt.mint({ display_name: 'Contributor', scopes: ['mcp:write'] })
    await scenes.rows("update pats set user_id = 'user_project_contributor' where id = $1", [id])
    const as = asking(rt, token)
    const path = `/v1/mcp/instances/${mine.instance}/config-profiles/${mine.profile}`
    const refused = await as.api('PATCH', path, { config: { base_url: 'https://attacker.example' } })
    expect(refused).toMatchObject({ status: 403, body: { code: 'FORBIDDEN', details: { needed_role: 'project_admin' } } })
    expect(
      (
        await as.api('POST', '/v1/mcp/instances', {
          slug: 'http',
          connection_id: mine.connection,
          config: { base_url: 'https://attacker.example' },
        })
      ).status,
    ).toBe(403)
    expect((await rt.ok('GET', `/v1/mcp/instances/${mine.instance}`)).profiles[0].config).toEqual({ base_url: 'https://127.0.0.1' })
    expect((await as.api('PATCH', path, { name: 'renamed' })).status).toBe(200)
  })
})
