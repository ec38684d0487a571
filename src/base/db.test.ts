import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { openHastenedPool } from './postgres-pool.ts'

let base: TestDatabase
const scope = { workspace: '*', project: '*' }
const add = (slug: string) => sql`insert into workspaces (workspace_id, slug, name) values (${slug}, ${slug}, 'x')`
const count = (slug: string) =>
  base.db.tx(scope, (tx) => tx.first<{ n: number }>(sql`select count(*)::int as n from workspaces where slug = ${slug}`))

beforeAll(async () => {
  base = await testDatabase()
})
afterAll(() => base.drop())

describe('a transaction', () => {
  it('carries out what nobody waits for', async () => {
    await base.db.tx(scope, async (tx) => {
      void tx.run(add('a'))
      void tx.run(add('b'))
    })
    expect([await count('a'), await count('b')]).toEqual([{ n: 1 }, { n: 1 }])
  })

  it('fails with what nobody waits for, and says why', async () => {
    const work = base.db.tx(scope, async (tx) => {
      void tx.run(add('c'))
      void tx.run(add('a'))
      return tx.first(sql`select 1 as one`)
    })
    await expect(work).rejects.toMatchObject({ code: '23505' })
    expect(await count('c')).toEqual({ n: 0 })
  })

  it('takes no query after its end', async () => {
    let late: (() => unknown) | undefined
    await base.db.tx(scope, async (tx) => {
      late = () => tx.run(add('late'))
    })
    expect(() => late?.()).toThrow('after the end')
    expect(await count('late')).toEqual({ n: 0 })
  })
})

describe('once', () => {
  it('answers after the commit, in the scope it was given', async () => {
    const seen = sql<{ w: string }>`select current_setting('ar.workspace') as w`
    expect(await base.db.once({ workspace: 'ws_1', project: '*' }, (tx) => tx.first(seen))).toEqual({ w: 'ws_1' })
    expect(await base.db.once(scope, (tx) => tx.run(add('d')))).toBe(1)
    expect(await count('d')).toEqual({ n: 1 })
  })

  it('throws what its query says', async () => {
    await expect(base.db.once(scope, (tx) => tx.run(add('d')))).rejects.toMatchObject({ code: '23505' })
    expect(await count('d')).toEqual({ n: 1 })
  })
})

describe('the hastened pool', () => {
  it('begins, commits and rolls back as it is told, with statements prepared once', async () => {
    const pool = openHastenedPool(base.connection, 1, 'hastened')
    const client = await pool.connect()
    try {
      await client.query('create temporary table kept (n int unique)')
      const insert = (n: number) => client.query('insert into kept values ($1)', [n])
      for (const [n, end] of [
        [1, 'COMMIT'],
        [2, 'ROLLBACK'],
      ] as const) {
        await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
        await insert(n)
        expect((await client.query('show transaction_isolation')).rows).toEqual([{ transaction_isolation: 'repeatable read' }])
        await client.query(end)
      }
      await client.query('begin')
      await insert(3)
      await expect(insert(1)).rejects.toMatchObject({ code: '23505' })
      await client.query('rollback')
      expect((await client.query('select n from kept')).rows).toEqual([{ n: 1 }])
      expect((await client.query('select statement from pg_prepared_statements')).rows).toEqual([
        { statement: 'insert into kept values ($1)' },
      ])
    } finally {
      client.release()
      await pool.end()
    }
  })
})
