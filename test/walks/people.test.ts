/** People, seen from inside: with a clock that is ours, and every hash counted. */
import { sql } from 'kysely'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Access, createAccess, type From } from '../../src/access/index.ts'
import { createDb, type Db, openPool } from '../../src/base/db.ts'
import type { FaultCode } from '../../src/base/errors.ts'
import { APP_ROLE } from '../../src/base/migrate.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const GREEN = 'seventeen green bottles'
const BLUE = 'eighteen blue umbrellas'
const NOWHERE = { workspaceSlug: null, project: null }
const at = (ip: string): From => ({ ip, userAgent: 'a browser', requestId: 'req_test' })

let rt: TestRuntime
let pool: pg.Pool
let db: Db
let clock: number
let hashes: number
let letters: { email: string; token: string }[]
let access: Access
/** Each test has networks of its own, so that no limit of one is met by another. */
let network = 0
let here: From

beforeAll(async () => {
  rt = await runtime()
  pool = openPool(rt.connection, APP_ROLE, 6)
  db = createDb(pool)
})
afterAll(async () => {
  await pool?.end()
  await rt?.[Symbol.asyncDispose]()
})

const open = () =>
  createAccess({
    db,
    now: () => clock,
    onHash: () => hashes++,
    send: async ({ to, text }) => void letters.push({ email: to, token: /#t=(\S+)/.exec(text)?.[1] ?? '' }),
    setup: { isRight: (token) => token === 'right', done: () => undefined },
  })
/** One statement that sees everything, as the runtime's own chores do. */
const raw = <T>(query: ReturnType<typeof sql<T>>) => db.everyTenant('a test looks', (tx) => tx.all(query))
const refused = (work: Promise<unknown>, code: FaultCode, says?: RegExp) =>
  expect(work).rejects.toMatchObject({ code, ...(says ? { message: expect.stringMatching(says) } : {}) })
const who = (token: string, as = access) => as.authenticateSession(token, '192.0.2.1', NOWHERE, 0)

beforeEach(async () => {
  clock = Date.now()
  hashes = 0
  letters = []
  here = at(`10.9.${++network}.1`)
  access = open()
  await raw(sql`delete from sessions`)
  await raw(sql`delete from reset_links`)
  await raw(sql`delete from passwords`)
  await access.people.setUp({ token: 'right', email: 'ada@example.com', password: GREEN, name: 'Ada', workspaceName: undefined }, here)
})

describe('a session', () => {
  it('[sign-in.ends] ends after twelve hours without use, and after a week however busy', async () => {
    const token = await access.people.signIn({ email: 'ada@example.com', password: GREEN }, here)
    const began = clock
    clock += 12 * HOUR - 1
    expect((await who(token)).kind).toBe('session')
    await access.close() // the last use is written
    clock += 12 * HOUR - 1
    expect((await who(token)).kind).toBe('session')
    await access.close()
    clock += 12 * HOUR
    await refused(who(token), 'UNAUTHENTICATED', /has ended/)

    const busy = await access.people.signIn({ email: 'ada@example.com', password: GREEN }, at('10.8.1.1'))
    const since = clock
    for (; clock < since + 7 * DAY; clock += 6 * HOUR) {
      await who(busy)
      await access.close()
    }
    await refused(who(busy), 'UNAUTHENTICATED')
    expect(clock).toBeGreaterThan(began)
    await access.people.forgetOld()
    expect(await raw(sql`select 1 from sessions`)).toEqual([])
  })

  it('lies in the database as a hash, with what people need to know it by', async () => {
    const token = await access.people.signIn({ email: 'ada@example.com', password: GREEN }, here)
    const [row] = await raw(
      sql<{ text: string; bytes: number }>`select s::text as text, length(token_hash) as bytes from sessions s order by id desc`,
    )
    expect(row?.bytes).toBe(32)
    expect(row?.text).not.toContain(token)
    const me = await who(token)
    const [facts] = await access.people.sessionsOf(me, 10, null)
    expect(facts).toMatchObject({ current: true, user_agent: 'a browser', ip: here.ip })
    expect(Object.keys(facts ?? {}).sort()).toEqual(['created_at', 'current', 'ends_at', 'id', 'ip', 'last_used_at', 'user_agent'])
  })

  it('[sign-in.ends] of another process ends within a second, and here at once', async () => {
    const elsewhere = open()
    const token = await access.people.signIn({ email: 'ada@example.com', password: GREEN }, here)
    await elsewhere.authenticateSession(token, null, NOWHERE)
    await access.people.signOut(token, here)
    await refused(access.authenticateSession(token, null, NOWHERE), 'UNAUTHENTICATED')
    clock += 999
    expect((await elsewhere.authenticateSession(token, null, NOWHERE)).kind).toBe('session') // still believed
    clock += 1
    await refused(elsewhere.authenticateSession(token, null, NOWHERE), 'UNAUTHENTICATED')
    await elsewhere.close()
  })

  it('[sign-in.ends] does not begin with a password that was changed while it was compared', async () => {
    const me = await who(await access.people.signIn({ email: 'ada@example.com', password: GREEN }, here))
    let changed = false
    const slow = createAccess({
      db: {
        ...db,
        everyTenant: async (why, work) => {
          // Between the comparison and the beginning.
          if (why === 'a session begins' && !changed) {
            changed = true
            await access.people.changePassword(me, { current: GREEN, next: BLUE }, here)
          }
          return db.everyTenant(why, work)
        },
      },
      now: () => clock,
    })
    await refused(slow.people.signIn({ email: 'ada@example.com', password: GREEN }, here), 'UNAUTHENTICATED')
    expect(changed).toBe(true)
    expect(await raw(sql`select 1 from sessions`)).toHaveLength(1)
    await slow.close()
  })
})

describe('a password', () => {
  it('[sign-in.ends] that is changed ends every other session and gives this one another token', async () => {
    const [first, second] = await Promise.all([1, 2].map(() => access.people.signIn({ email: 'ada@example.com', password: GREEN }, here)))
    const me = await who(first as string)
    const next = await access.people.changePassword(me, { current: GREEN, next: BLUE }, here)
    expect(next).not.toBe(first)
    expect((await who(next)).sessionId).toBe(me.sessionId)
    for (const old of [first, second]) await refused(who(old as string), 'UNAUTHENTICATED')
    await refused(access.people.signIn({ email: 'ada@example.com', password: GREEN }, here), 'UNAUTHENTICATED')
    await refused(access.people.changePassword(me, { current: GREEN, next: GREEN }, here), 'REFUSED', /current password/)
    await who(await access.people.signIn({ email: 'ada@example.com', password: BLUE }, here))
  })

  it('[sign-in.argon2id] kept under a weaker hash is kept under today’s after the next sign-in', async () => {
    // m=19456,t=2,p=1 of GREEN with sixteen zero bytes for salt, made by this very function at the floor.
    const { argon2Sync } = await import('node:crypto')
    const weak = argon2Sync('argon2id', {
      message: Buffer.from(GREEN),
      nonce: Buffer.alloc(16),
      memory: 19_456,
      passes: 2,
      parallelism: 1,
      tagLength: 32,
    })
    const stored = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${weak.toString('base64').replaceAll('=', '')}`
    await raw(sql`update passwords set hash = ${stored}`)
    await access.people.signIn({ email: 'ada@example.com', password: GREEN }, here)
    const [{ hash } = { hash: '' }] = await raw(sql<{ hash: string }>`select hash from passwords`)
    expect(hash).toMatch(/m=32768,t=2,p=1/)
    hashes = 0
    await access.people.signIn({ email: 'ada@example.com', password: GREEN }, here)
    expect(hashes).toBe(1)
  })
})

describe('a stranger', () => {
  const said = (work: Promise<unknown>) =>
    work.then(
      () => 'let in',
      (fault: Error & { code?: string; hint?: string; details?: unknown }) =>
        JSON.stringify([fault.code, fault.message, fault.hint, fault.details]),
    )

  it('[sign-in.no-lists] signing in: the same words and one hash, known or not, disabled or without a password', async () => {
    await raw(sql`insert into users (id, email, name) values ('user_bare', 'bare@example.com', 'Bare') on conflict do nothing`)
    const heard = new Set<string>()
    for (const email of ['ada@example.com', 'nobody@example.com', 'bare@example.com']) {
      hashes = 0
      heard.add(await said(access.people.signIn({ email, password: 'not the password' }, here)))
      expect(`${email} ${hashes}`).toBe(`${email} 1`)
    }
    await raw(sql`update users set disabled_at = now() where email = 'ada@example.com'`)
    hashes = 0
    heard.add(await said(access.people.signIn({ email: 'ada@example.com', password: GREEN }, here)))
    expect(hashes).toBe(1)
    await raw(sql`update users set disabled_at = null where email = 'ada@example.com'`)
    expect([...heard]).toEqual([JSON.stringify(['UNAUTHENTICATED', 'the e-mail or the password is not right', undefined, undefined])])
    await access.close()
    const entries = await raw(
      sql<{ action: string; entry: string }>`select action, entry from audit_entries where action = 'session.refused'`,
    )
    expect(entries.length).toBeGreaterThanOrEqual(2) // of those who are members somewhere
    expect(entries.map((e) => JSON.parse(e.entry))[0]).toMatchObject({ outcome: 'refused', request_id: 'req_test' })
  })

  it('[sign-in.no-lists] forgetting a password: no question is asked before the answer, and only who is known gets a letter', async () => {
    let asked = 0
    const counting = createAccess({
      db: {
        ...db,
        everyTenant: (why, work) => {
          asked++
          return db.everyTenant(why, work)
        },
      },
      now: () => clock,
      onHash: () => hashes++,
      send: async ({ to, text }) => void letters.push({ email: to, token: /#t=(\S+)/.exec(text)?.[1] ?? '' }),
    })
    for (const email of ['nobody@example.com', 'ada@example.com']) {
      asked = 0
      hashes = 0
      expect(counting.people.forgot(email, here)).toBe(undefined) // it does not even wait
      expect([hashes, asked]).toEqual([0, 1]) // the same first question for both
    }
    await until(() => letters.length > 0, 'the letter')
    await counting.close()
    expect(letters.map((l) => l.email)).toEqual(['ada@example.com'])
  })

  it('[sign-in.no-lists] a wrong link costs one hash, like a right one', async () => {
    hashes = 0
    await refused(
      access.people.reset({ token: 'x'.repeat(32), password: BLUE }, here),
      'FORBIDDEN',
      /used, is older than an hour, or was never made/,
    )
    expect(hashes).toBe(1)
  })
})

describe('a link for a new password', () => {
  const link = async (): Promise<string> => {
    letters = []
    access.people.forgot('ada@example.com', at(`10.7.${++network}.1`))
    await until(() => letters.length > 0, 'the letter')
    return letters[0]?.token as string
  }

  it('[sign-in.reset] works once, ends every session, and lies there as a hash', async () => {
    const session = await access.people.signIn({ email: 'ada@example.com', password: GREEN }, here)
    const token = await link()
    const [row] = await raw(sql<{ text: string }>`select r::text as text from reset_links r`)
    expect(row?.text).not.toContain(token)
    await access.people.reset({ token, password: BLUE }, here)
    await refused(who(session), 'UNAUTHENTICATED')
    await refused(access.people.reset({ token, password: GREEN }, here), 'FORBIDDEN')
    await access.people.signIn({ email: 'ada@example.com', password: BLUE }, here)
  })

  it('[sign-in.reset] is served to one of two who bring it at once, ends after an hour, and with the next one', async () => {
    const token = await link()
    const both = await Promise.allSettled([BLUE, GREEN].map((password) => access.people.reset({ token, password }, here)))
    expect(both.map((it) => it.status).sort()).toEqual(['fulfilled', 'rejected'])

    const old = await link()
    const newer = await link()
    await refused(access.people.reset({ token: old, password: BLUE }, here), 'FORBIDDEN')
    clock += HOUR
    await refused(access.people.reset({ token: newer, password: BLUE }, here), 'FORBIDDEN')
    clock -= 1 // a refused try has not spent it
    await access.people.reset({ token: newer, password: BLUE }, here)
  })

  it('[sign-in.reset] is void once the password was changed otherwise', async () => {
    const token = await link()
    const me = await who(await access.people.signIn({ email: 'ada@example.com', password: GREEN }, here))
    await access.people.changePassword(me, { current: GREEN, next: BLUE }, here)
    await refused(access.people.reset({ token, password: GREEN }, here), 'FORBIDDEN')
  })
})

describe('setting up', () => {
  it('serves one of two who come at once, and nobody afterwards', async () => {
    await raw(sql`delete from passwords`)
    const ask = (email: string) =>
      access.people.setUp({ token: 'right', email, password: GREEN, name: 'N', workspaceName: undefined }, at(`10.6.${++network}.1`))
    const both = await Promise.allSettled([ask('ada@example.com'), ask('bo@example.com')])
    expect(both.map((it) => it.status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(await access.people.setupIsOpen()).toBe(false)
    await refused(ask('cy@example.com'), 'CONFLICT', /has an owner already/)
    await raw(sql`update users set email = 'ada@example.com' where email = 'bo@example.com'`)
  })
})
