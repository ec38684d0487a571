/** People at the door: the first owner sets up, signs in and out, and works with a cookie as with a token. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failedStart, OWNER, runtime, type TestRuntime } from '../harness.ts'

let rt: TestRuntime

beforeAll(async () => {
  rt = await runtime()
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
})

const cookieOf = (answer: { headers: Headers }): string => answer.headers.getSetCookie()[0] ?? ''
const NOBODY = { cookie: '' }
/** What a page of ours sends. */
const page = (cookie = ''): Record<string, string> => ({
  cookie: cookie.split(';')[0] ?? '',
  origin: rt.url,
  'sec-fetch-site': 'same-origin',
})

describe('the first owner', () => {
  it('sets up with the link of the start, once, and is signed in', async () => {
    expect((await rt.api('GET', '/v1/setup', undefined, NOBODY)).body).toEqual({ open: true })
    expect(rt.setup).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/setup#t=[\w-]{27}$/)
    // A new one, by whoever may write to the data directory, voids the one before.
    const command = await failedStart(['setup-link', '--data-dir', rt.dataDir])
    expect([command.code, command.stderr]).toEqual([0, ''])
    expect(command.stdout.trim().replace(/#.*/, '')).toBe(`${rt.url}/setup`)
    const before = await rt.api('POST', '/v1/setup', { ...OWNER, token: rt.setup?.split('#t=')[1] }, page())
    expect([before.status, before.body.code]).toEqual([403, 'FORBIDDEN'])
    const token = command.stdout.trim().split('#t=')[1]
    const wrong = await rt.api('POST', '/v1/setup', { ...OWNER, token: `${token}x` }, page())
    expect([wrong.status, wrong.body.code, cookieOf(wrong)]).toEqual([403, 'FORBIDDEN', ''])

    const done = await rt.api('POST', '/v1/setup', { ...OWNER, token, workspace_name: 'Acme' }, page())
    expect([done.status, done.body]).toEqual([200, { ok: true }])
    const me = await rt.api('GET', '/v1/me', undefined, page(cookieOf(done)))
    expect(me.body).toMatchObject({ kind: 'session', user: { email: OWNER.email }, workspace: { name: 'Acme' }, role: 'workspace_owner' })

    expect((await rt.api('GET', '/v1/setup', undefined, NOBODY)).body).toEqual({ open: false })
    const again = await rt.api('POST', '/v1/setup', { ...OWNER, token }, page())
    expect([again.status, again.body.code]).toEqual([409, 'CONFLICT'])
    expect(await failedStart(['setup-link', '--data-dir', rt.dataDir])).toMatchObject({ code: 5, stdout: '' })
  })

  it('signs in, works in the place that the headers say, and signs out', async () => {
    const signedIn = await rt.api('POST', '/v1/auth/sign-in', OWNER, page())
    expect(signedIn.status).toBe(200)
    expect(cookieOf(signedIn)).toMatch(/^ar_session=[\w-]{32,}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Lax$/)
    const mine = page(cookieOf(signedIn))
    const { workspace, project_id } = (await rt.ok('GET', '/v1/me', undefined, mine)) as { workspace: { slug: string }; project_id: string }
    const here = { ...mine, 'x-tenant-id': workspace.slug, 'x-project-id': project_id }
    const made = await rt.api('POST', '/v1/workflows', { name: 'By hand', graph: { steps: [] } }, here)
    expect(made.status).toBe(201)
    const elsewhere = await rt.api('GET', '/v1/workflows', undefined, { ...here, 'x-project-id': 'proj_elsewhere' })
    expect([elsewhere.status, elsewhere.body.code]).toEqual([404, 'NOT_FOUND'])

    const out = await rt.api('POST', '/v1/auth/sign-out', {}, mine)
    expect(cookieOf(out)).toMatch(/^ar_session=; Max-Age=0/)
    const after = await rt.api('GET', '/v1/me', undefined, mine)
    expect([after.status, after.body.code]).toEqual([401, 'UNAUTHENTICATED'])
  })
})
