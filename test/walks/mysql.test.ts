/** MySQL through the whole runtime: over HTTP alone, with a real MariaDB. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { APP_PASSWORD, MARIADBD, startTestMariadb, type TestMariadb } from '../fakes/mariadb-server.ts'
import { there } from '../fakes/part.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { call, connected, published, ran } from './acts.ts'

let rt: TestRuntime
let shop: TestMariadb

const here = there(MARIADBD, 'mariadb-server', 'MySQL through the whole runtime')
describe.skipIf(!here)('MySQL, from the connection string to the result', () => {
  beforeAll(async () => {
    shop = await startTestMariadb()
    await shop.admin("create table cities (id int, name text); insert into cities values (1, 'Delft'), (2, 'Ghent')")
    rt = await runtime({ allowPrivate: [`127.0.0.1:${shop.port}`] })
  }, 120_000)
  afterAll(async () => {
    await rt?.[Symbol.asyncDispose]()
    await shop?.stop()
  })

  it('[walks.main-job] connects, is checked, and runs steps that read and write; the password stands in nothing that is told', async () => {
    expect(APP_PASSWORD).toMatch(/[@/:?#%&]/) // what a URL could trip over
    const made = await rt.ok('POST', '/v1/connections', { display_name: 'Shop', provider: 'mysql', credentials: { dsn: shop.dsn() } })
    const valid = await rt.ok('POST', `/v1/connections/${made.id}/validate`)
    expect(valid).toMatchObject({ ok: true, problem: null, account: { label: expect.stringContaining('app@% on shop (MariaDB') } })
    const instance = await rt.ok('POST', '/v1/mcp/instances', { slug: 'mysql', connection_id: made.id })
    expect((await rt.ok('POST', `/v1/mcp/instances/${instance.id}/validate`, {})).ok).toBe(true)

    const sql = (id: string, text: string, args: unknown[] = [], after: string[] = []) => ({
      id,
      instance_id: instance.id,
      tool_name: 'mysql_execute_sql',
      tool_args: { sql: text, args },
      depends_on: after,
    })
    const workflow = await published(rt, 'Cities', [
      sql('find', 'select id, name from cities where id = ?', ['{{input.id}}']),
      sql('add', 'insert into cities values (?, ?)', [3, '{{steps.find.result.rows[0].name}}'], ['find']),
      sql('count', 'select count(*) as n from cities where name = ?', ['{{steps.find.result.rows[0].name}}'], ['add']),
    ])
    const { run, steps } = await ran(rt, workflow, { trigger_payload: { id: 2 } })
    expect(run.status, JSON.stringify(steps)).toBe('completed')
    expect(await shop.admin("select count(*) as n from cities where name = 'Ghent'")).toEqual([{ n: 2 }])
    const told = JSON.stringify([made, valid, instance, run, steps, (await rt.ok('GET', `/v1/connections/${made.id}`)) as unknown])
    for (const secret of [APP_PASSWORD, encodeURIComponent(APP_PASSWORD), shop.dsn()])
      expect(told).not.toContain(JSON.stringify(secret).slice(1, -1))
  })

  it('[walks.main-job] refuses what does more than the tool may, says whose fault it was, and ends the sessions of a replaced credential', async () => {
    await shop.admin("create user rota identified by 'first-password'; grant all on shop.* to rota")
    const { connection, instance } = await connected(rt, {
      name: 'Rotated',
      provider: 'mysql',
      credentials: { dsn: shop.dsn('rota', 'first-password') },
    })
    const id = () => call(rt, instance, 'mysql_execute_sql', { sql: 'select connection_id() as id' })
    const before = (await id()).body.result.rows[0].id
    const threads = async () =>
      (await shop.admin("select id from information_schema.processlist where user = 'rota'")).map((row) => Number(row.id))
    expect(await threads()).toContain(Number(before))
    for (const sql of ['select 1 into outfile "/tmp/x"', 'grant all on *.* to rota', 'select 1; drop table cities']) {
      const refused = await call(rt, instance, 'mysql_execute_sql', { sql })
      expect(refused.body.code, sql).toBe('TOOL_REFUSED')
    }
    await shop.admin("alter user rota identified by 'second-password'")
    await rt.ok('PATCH', `/v1/connections/${connection}`, { credentials: { dsn: shop.dsn('rota', 'second-password') } })
    expect(await threads()).not.toContain(Number(before))
    expect((await id()).status).toBe(200)
    await shop.admin("alter user rota identified by 'third-password'")
    await rt.ok('PATCH', `/v1/connections/${connection}`, { credentials: { dsn: shop.dsn('rota', 'not-that-one') } })
    const dead = await id()
    expect(dead.body).toMatchObject({ code: 'CREDENTIAL_REJECTED' })
    expect(JSON.stringify(dead.body)).not.toContain('not-that-one')
  })

  it('refuses a host of the inside at once, and a connection string that would read files', async () => {
    for (const [dsn, code] of [
      ['mysql://u:p@169.254.169.254/x', 'EGRESS_BLOCKED'],
      ['mysql://u:p@10.0.0.1/x', 'EGRESS_BLOCKED'],
      ['mysql://u:p@db.example.com/x?ssl-ca=/etc/passwd', 'CREDENTIAL_MALFORMED'],
    ]) {
      const answer = await rt.api('POST', '/v1/connections', { display_name: 'x', provider: 'mysql', credentials: { dsn } })
      expect(answer.body.code, dsn).toBe(code)
    }
  })
})
