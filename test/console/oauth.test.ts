/** Signing in at a provider from the Console, in a real browser with real windows: each service, and each way to fail. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { browserOrSkip, type TestBrowser } from '../fakes/browser.ts'
import { type Provider, signInWith, startProvider } from '../fakes/provider.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { behindTheScenes } from '../walks/acts.ts'
import { setUpApp } from '../walks/sign-in.ts'
import { axe, ownersPage, settled, type Watch, watch } from './kit.ts'

const at = (name: string) => `https://www.googleapis.com/auth/${name}`
const MAIL = [at('gmail.send'), at('gmail.readonly')]
const SHEETS = [at('spreadsheets'), at('drive.metadata.readonly')]

/** Longer than a whole sign-in takes on a busy machine. */
const SAID_MS = 90_000

let rt: TestRuntime
let google: Provider
/** A provider whose pages cut themselves off from the window that opened them. */
let apart: Provider
let browser: TestBrowser | undefined
let page: Page
let watched: Watch

beforeAll(async () => {
  ;[google, apart] = await Promise.all([
    startProvider({ scopes: [...MAIL, ...SHEETS], rotate: 'never' }),
    startProvider({ scopes: ['things.read'], isolated: true }),
  ])
  rt = await runtime({ allowPrivate: [google.url, apart.url] })
  for (const it of [google, apart]) it.allowRedirect(`${rt.url}/v1/oauth/callback`)
  await setUpApp(rt, google, { provider: 'google', scopes: [], params: {}, rotates: 'never' }, 'google')
  await setUpApp(rt, apart)
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await rt?.[Symbol.asyncDispose]()
  await Promise.all([google?.close(), apart?.close()])
})
beforeEach(async (ctx) => {
  browser ??= await browserOrSkip(ctx)
  if (page) return
  page = await ownersPage(browser, rt)
  watched = watch(page)
})

interface Person {
  account: string
  narrowTo?: string[]
  deny?: boolean
}
const begin = async (click: () => Promise<unknown>): Promise<Page> => {
  const [window] = await Promise.all([page.waitForEvent('popup'), click()])
  await window.getByRole('button', { name: /^Go on to/ }).click()
  return window
}
/** From a click that opens the window to the page that says how it ended. */
const through = async (click: () => Promise<unknown>, person: Person): Promise<Page> => {
  const window = await begin(click)
  await signInWith(window, person)
  return window
}
const closed = (window: Page) => until(() => window.isClosed(), 'the window to close itself')
/** What is said at the edge goes away by itself, so it is waited for from before it can come. */
const saying = (text: string | RegExp, act: () => Promise<unknown>) =>
  Promise.all([page.getByText(text).first().waitFor({ timeout: SAID_MS }), act()])
const connections = async () => (await rt.ok('GET', '/v1/connections')).items as { id: string; name: string; account: { id: string } }[]
const service = (name: string) => page.getByRole('listitem').filter({ has: page.getByText(name, { exact: true }) })
const press = (name: string | RegExp) => () => page.getByRole('button', { name }).first().click()
const card = () => page.getByRole('heading', { name: 'Google account' })

it('[console.oauth] an account is connected, and its services are switched on and off one by one', async () => {
  await page.goto(`${rt.url}/connections`)
  await settled(page)
  await page.getByRole('button', { name: 'Connect Google' }).click()
  await page.getByRole('checkbox', { name: /^Gmail/ }).check()
  const window = await begin(() => page.getByRole('button', { name: 'Sign in at Google' }).click())
  await page.getByText('Waiting for you to finish at Google, in the other window.').waitFor()
  expect(await axe(page)).toEqual([])
  // Nothing is stored before the provider has said yes.
  expect(await connections()).toEqual([])
  await saying('Google is connected.', async () => {
    await signInWith(window, { account: 'ada' })
    await closed(window)
  })
  await page.getByText('ada@example.com').first().waitFor()
  expect(await service('Gmail').getByRole('switch').getAttribute('aria-checked')).toBe('true')
  await service('Google Sheets').getByText('Off', { exact: true }).waitFor()

  // Another one asks for its own consent, in the same account. The list hears of it first and takes the button away: it is said all the same.
  const late = Promise.withResolvers<void>()
  await page.route('**/v1/oauth/attempts/*', async (it) => {
    await late.promise
    await it.continue().catch(() => undefined) // nobody waits for the first ones any more
  })
  await saying('Google Sheets is on.', async () => {
    const turnOn = service('Google Sheets').getByRole('button', { name: /^Turn on/ })
    await closed(await through(() => turnOn.click(), { account: 'ada' }))
    await turnOn.waitFor({ state: 'detached' })
    late.resolve()
  })
  await page.unroute('**/v1/oauth/attempts/*')
  const [one, ...others] = await connections()
  expect(others).toEqual([])
  expect((await rt.ok('GET', `/v1/connections/${one?.id}`)).oauth.services).toEqual(['gmail', 'google-sheets'])

  // What switching off touches is said first; on again needs nobody at the provider.
  const instance = (await rt.ok('POST', '/v1/mcp/instances', { slug: 'gmail', name: 'mail', connection_id: one?.id })).id as string
  await service('Gmail').getByRole('switch').click()
  await page.getByText('This profile loses its connection:').waitFor()
  await page.getByText('mail, profile default, production').waitFor()
  expect(await axe(page)).toEqual([])
  await page.getByRole('button', { name: 'Switch Gmail off' }).click()
  await service('Gmail').getByText('Off', { exact: true }).waitFor()
  expect((await rt.ok('GET', `/v1/mcp/instances/${instance}`)).profiles).toMatchObject([{ connection_id: null }])
  await service('Gmail').getByRole('switch').click()
  await service('Gmail').getByText('On', { exact: true }).waitFor()
  expect(page.context().pages()).toHaveLength(1)
  expect(watched.wrong).toEqual([])
})

describe('what may go wrong', () => {
  const reconnect = press('Reconnect')
  const status = () => page.locator('[role=dialog][data-open]:not([aria-modal=false])')
  const openDetail = async () => {
    await page.goto(`${rt.url}/connections`)
    await card().waitFor()
    const name = (await connections())[0]?.name as string
    await page.getByRole('table', { name: 'Connections' }).getByRole('link', { name, exact: true }).click()
    await status().getByRole('button', { name: 'Reconnect' }).waitFor()
  }

  it('[console.oauth-failures] declined: nothing is changed, and it can be tried again', async () => {
    await openDetail()
    const window = await through(reconnect, { account: 'ada', deny: true })
    await status().getByText('You said no at').waitFor()
    expect(await axe(page)).toEqual([])
    expect(window.isClosed()).toBe(false) // there is something to read
    await window.close()
    await saying('is connected.', async () => closed(await through(press('Try again'), { account: 'ada' })))
    expect(await status().getByText('You said no').count()).toBe(0)
  })

  it('[console.oauth-failures] another account never takes the place of the one that is there, and may become its own', async () => {
    await openDetail()
    const before = await connections()
    const window = await through(reconnect, { account: 'mallory' })
    await status().getByText('That was another account. This connection was not changed.').waitFor()
    await status().getByText('You signed in as mallory@example.com').waitFor()
    await window.close()
    expect(await connections()).toEqual(before)
    await closed(await through(press('Save as a new connection'), { account: 'mallory' }))
    await until(async () => (await connections()).length === before.length + 1, 'the new connection')
    const after = await connections()
    expect(after.map((c) => c.account.id).sort()).toEqual(['ada', 'mallory'])
    await rt.ok('DELETE', `/v1/connections/${after.find((c) => c.account.id === 'mallory')?.id}`)
  })

  it('[console.oauth-failures] less than was asked for is said by name, asked for again, or kept', async () => {
    await openDetail()
    const window = await through(reconnect, { account: 'ada', narrowTo: ['openid', 'email', 'profile', ...MAIL] })
    await status().getByText('Connected, but not everything was allowed.').waitFor()
    await status()
      .getByText(/^Google Sheets: .*will not work/)
      .first()
      .waitFor()
    expect(await axe(page)).toEqual([])
    await window.close()
    await page.keyboard.press('Escape')
    await service('Google Sheets').getByText('Needs consent').waitFor()
    await openDetail()
    const again = await through(reconnect, { account: 'ada', narrowTo: ['openid', 'email', 'profile', ...MAIL] })
    await status().getByText('Connected, but not everything was allowed.').waitFor()
    await again.close()
    await closed(await through(press('Ask again for what is missing'), { account: 'ada' }))
    await page.keyboard.press('Escape')
    await service('Google Sheets').getByText('On', { exact: true }).waitFor()
  })

  it('[console.oauth-failures] an answer that comes a second time changes nothing', async () => {
    await openDetail()
    const window = await begin(reconnect)
    const callback = window.waitForRequest(/\/v1\/oauth\/callback/)
    await saying('is connected.', async () => {
      await signInWith(window, { account: 'ada' })
      await closed(window)
    })
    const answer = (await callback).url()
    const replay = await page.context().newPage()
    await replay.goto(answer)
    await replay.getByRole('heading', { name: 'This sign-in is not known' }).waitFor()
    await replay.close()
    expect(await status().getByRole('alert').count()).toBe(0)
  })

  it('[console.oauth-failures] whoever takes too long is told so, and begins again from there', async () => {
    await openDetail()
    const window = await begin(reconnect)
    await window.waitForLoadState()
    {
      await using scenes = await behindTheScenes(rt)
      const late = await scenes.rows(
        "update oauth_attempts set expires_at = now() - interval '1 second' where finished_at is null returning id",
      )
      expect(late.length).toBeGreaterThan(0)
    }
    await signInWith(window, { account: 'ada' })
    await window.getByRole('heading', { level: 1 }).waitFor()
    await status().getByText('The sign-in took too long and has expired.').waitFor()
    expect(await axe(page)).toEqual([])
    await window.close()
    await saying('is connected.', async () => closed(await through(press('Start again'), { account: 'ada' })))
  })

  it('[console.oauth-failures] whoever walks away is asked, and can go on', async () => {
    await openDetail()
    const window = await begin(reconnect)
    await window.close()
    await status().getByText('Finished in the other window?').waitFor()
    await status().getByText('Seeing redirect_uri_mismatch there?').click()
    await status().getByText(`${rt.url}/v1/oauth/callback`).waitFor()
    expect(await axe(page)).toEqual([])
    expect(await status().getByRole('alert').count()).toBe(0) // a closed window is no failure
    await saying('is connected.', async () => closed(await through(press('Open again'), { account: 'ada' })))
  })

  it('[console.oauth-failures] where the browser allows no window there is a link, or this tab', async () => {
    await openDetail()
    await page.evaluate('window.open = () => null')
    await reconnect()
    await status().getByText('Your browser blocked the sign-in window.').waitFor()
    expect(await axe(page)).toEqual([])
    await saying('is connected.', async () =>
      closed(await through(() => page.getByRole('link', { name: 'Open sign-in' }).click(), { account: 'ada' })),
    )

    await reconnect()
    await page.getByRole('button', { name: 'Continue in this tab' }).click()
    await page.getByRole('button', { name: /^Go on to/ }).click()
    await signInWith(page, { account: 'ada' })
    await page.getByRole('link', { name: 'Go back' }).click()
    await page.waitForURL(/\/connections\?.*c=conn_/) // the same page that was left
    await page.keyboard.press('Escape')
    await page.getByText('The account is connected.').waitFor()
  })

  it('[console.oauth-failures] at another address than the public one nothing is begun, and the way is shown', async () => {
    const elsewhere = rt.url.replace('127.0.0.1', 'localhost')
    const other = await browser!.stranger()
    await other.goto(`${elsewhere}/login`)
    await other.getByLabel('E-mail').fill('owner@example.com')
    await other.locator('input[name=password]').fill('seventeen green bottles')
    await other.keyboard.press('Enter')
    await other.getByRole('navigation').first().waitFor()
    await other.goto(`${elsewhere}/connections?new=google`)
    await other.locator('[role=dialog]').getByText(`its public address is ${rt.url}`).waitFor()
    expect(await other.getByRole('button', { name: 'Sign in at Google' }).isDisabled()).toBe(true)
    expect(await axe(other)).toEqual([])
    expect(await other.locator('[role=dialog]').getByRole('link', { name: 'Use this address' }).getAttribute('href')).toBe(
      `${rt.url}/connections?new=google`,
    )
    await other.context().close()
  })
})

it('[console.oauth-coop] a provider that cuts the windows apart: the window seems closed at once, and it ends well', async () => {
  await page.goto(`${rt.url}/connections?new=oauth2`)
  await page.getByLabel(/^Name/).fill('Acme')
  await page.evaluate(`{
    const open = window.open
    window.open = (...all) => (window.opened = open.apply(window, all))
  }`)
  const window = await begin(() => page.getByRole('button', { name: /^Sign in at/ }).click())
  await window.waitForURL(`${apart.url}/**`)
  await until(() => page.evaluate('window.opened.closed'), 'the window to seem closed')
  expect(window.isClosed()).toBe(false)
  await page.getByText('Finished in the other window?').waitFor()
  expect(await page.getByRole('alert').count()).toBe(0)
  await signInWith(window, { account: 'bo' })
  await page.getByText('Acme is connected.').waitFor()
  expect((await connections()).find((c) => c.name === 'Acme')?.account.id).toBe('bo')
  // The browser says that it was asked whether the window is closed: that is all that is looked at there.
  expect(watched.wrong.filter((it) => !/Cross-Origin-Opener-Policy/.test(it))).toEqual([])
})

it('[console.oauth-failures] a grant that dies is said where one works, and comes back in place', async () => {
  const one = (await connections()).find((c) => c.name === 'Acme')
  await page.goto(`${rt.url}/connections`)
  await card().waitFor()
  apart.revokeAll('bo')
  await rt.api('POST', `/v1/connections/${one?.id}/validate`)
  const banner = page.getByRole('region', { name: 'Acme needs reconnecting.' })
  await banner.waitFor() // by itself: nobody has loaded the page again
  expect(await axe(page)).toEqual([])
  await through(() => banner.getByRole('button', { name: /^Reconnect/ }).click(), { account: 'bo' })
  await banner.waitFor({ state: 'detached' })
  expect(await rt.ok('GET', `/v1/connections/${one?.id}`)).toMatchObject({ status: 'active' })
})
