/** The whole story in a real browser: connect, work, expire, be narrowed, be thrown out, come back in place. */
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { browserOrSkip } from '../fakes/browser.ts'
import { signInWith, startProvider } from '../fakes/provider.ts'
import { runtime, until } from '../harness.ts'
import { httpInstance, setUpApp, things } from './sign-in.ts'

const SCOPES = ['things.read', 'things.write']
/** Short enough to wait for. */
const ACCESS_TTL_S = 2
/** Where a person who wants to see the pages finds them. */
const PICTURES = join(tmpdir(), 'agentruntime-pictures')

it('[oauth.browser] connect, call, expire and be renewed, be narrowed, be thrown out, reconnect in place', async (ctx) => {
  await using browser = await browserOrSkip(ctx)
  mkdirSync(PICTURES, { recursive: true })
  const provider = await startProvider({ scopes: SCOPES, accessTtlS: ACCESS_TTL_S })
  await using rt = await runtime({ allowPrivate: [provider.url] })
  try {
    provider.allowRedirect(`${rt.url}/v1/oauth/callback`)
    await setUpApp(rt, provider)
    const page = await browser.page()
    const picture = (name: string) => page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true })
    const through = async (
      link: { authorization_url: string; attempt_id: string },
      person: { account: string; narrowTo?: string[]; deny?: boolean },
    ) => {
      await page.goto(link.authorization_url)
      await page.getByRole('button', { name: /^Go on to/ }).click()
      await signInWith(page, person)
      await page.waitForURL(/\/v1\/oauth\/callback/)
      return rt.ok('GET', `/v1/oauth/attempts/${link.attempt_id}`)
    }
    const authorize = (more: object = {}) =>
      rt.ok('POST', '/v1/connections/oauth/acme/authorize', { scopes: SCOPES, display_name: 'Acme of Ada', ...more })

    // Our page says what will happen, and works without scripts and without anything from elsewhere.
    const first = await authorize()
    await page.goto(first.authorization_url)
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('Connect acme')
    await picture('1-invitation')

    // Narrowed at consent: a success that says what will not work.
    const narrowed = await through(first, { account: 'ada', narrowTo: ['openid', 'email', 'offline_access', 'things.read'] })
    await picture('2-connected-in-part')
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toContain('is connected')
    expect(await page.getByText('things.write').count()).toBe(1)
    const id = narrowed.connection_id as string
    const instance = await httpInstance(rt, provider, id)
    expect((await things(rt, instance)).body.result).toMatchObject({ status: 200 })
    const post = () =>
      rt.api('POST', `/v1/mcp/instances/${instance}/tools/http_request/call`, {
        args: { method: 'POST', path: '/api/things', body: { name: 'new' } },
      })
    expect((await post()).body.result.status).toBe(403)

    // Its lifetime passes, and the next call goes out with a new one.
    const renewals = () => provider.tokenRequests.filter((r) => r.grantType === 'refresh_token').length
    const before = renewals()
    await until(async () => (await things(rt, instance)).body.result?.status === 200 && renewals() > before, 'a renewal')

    // Widened in place.
    const wide = await through(await rt.ok('POST', `/v1/connections/${id}/reconnect`, { scopes: ['things.write'] }), { account: 'ada' })
    expect(wide).toMatchObject({ kind: 'reconnected', connection_id: id })
    expect((await post()).body.result.status).toBeLessThan(300)

    // Thrown out at the provider: Reconnect, with its reason.
    provider.revokeAll('ada')
    await until(async () => (await things(rt, instance)).body.code === 'CONNECTION_RECONNECT_REQUIRED', 'the loss to be known')
    expect(await rt.ok('GET', `/v1/connections/${id}`)).toMatchObject({ status: 'reconnect', status_reason: 'user_revoked' })

    // As somebody else: refused, and nothing is changed. The page says which account is wanted.
    const again = () => rt.ok('POST', `/v1/connections/${id}/reconnect`)
    expect(await through(await again(), { account: 'mallory' })).toMatchObject({ status: 'failed', kind: 'other_account' })
    await picture('3-another-account')
    expect(await page.getByText('ada@example.com').count()).toBeGreaterThan(0)
    // Declined.
    expect(await through(await again(), { account: 'ada', deny: true })).toMatchObject({ status: 'failed', kind: 'declined' })
    await picture('4-declined')
    // As the same person: the same connection, the same binding.
    expect(await through(await again(), { account: 'ada' })).toMatchObject({ kind: 'reconnected', connection_id: id })
    await picture('5-reconnected')
    expect((await things(rt, instance)).body.result).toMatchObject({ status: 200 })

    // A link that was opened here is of no use to somebody else.
    const link = await authorize()
    await page.goto(link.authorization_url)
    await page.getByRole('button', { name: /^Go on to/ }).click()
    await page.waitForURL(`${provider.url}/**`)
    const atProvider = page.url()
    const stranger = await browser.stranger()
    await stranger.goto(atProvider)
    await signInWith(stranger, { account: 'eve' }).catch(() => undefined)
    const used = await browser.stranger()
    await used.goto(link.authorization_url)
    await used.getByRole('button', { name: /^Go on to/ }).click()
    await used.getByRole('heading', { name: 'This link has been used' }).waitFor()
    await used.screenshot({ path: join(PICTURES, '6-used.png') })
    expect(browser.refused).toEqual([])
  } finally {
    await provider.close()
  }
}, 120_000)
