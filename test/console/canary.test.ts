/** The browser as one more place to look: after every form that takes or shows a secret, nothing in it and nothing that it was sent holds one. */
import { Buffer } from 'node:buffer'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { browserOrSkip, type TestBrowser } from '../fakes/browser.ts'
import { APP_PASSWORD, startTestPostgres, type TestPostgres } from '../fakes/postgres-server.ts'
import { OWNER, runtime, type TestRuntime } from '../harness.ts'
import { hits, missing } from '../walks/canary.ts'
import { ownersPage, settled } from './kit.ts'

const CLIENT_SECRET = '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t-42'
const NEW_PASSWORD = 'nineteen purple elephants'

let rt: TestRuntime
let shop: TestPostgres
let browser: TestBrowser | undefined

beforeAll(async () => {
  shop = await startTestPostgres()
  rt = await runtime({ demo: true, allowPrivate: [`127.0.0.1:${shop.port}`] })
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await rt?.[Symbol.asyncDispose]()
  await shop?.stop()
})

/** All that the page has: its document, what it stores, and what its program remembers of questions and acts. */
const KEPT = `(() => {
  const root = document.getElementById('root')
  let fiber = root[Object.keys(root).find((key) => key.startsWith('__reactContainer$'))]
  let client
  for (const todo = [fiber]; todo.length > 0 && !client; ) {
    const at = todo.pop()
    if (at.memoizedProps?.client?.getQueryCache) client = at.memoizedProps.client
    if (at.child) todo.push(at.child)
    if (at.sibling) todo.push(at.sibling)
  }
  if (!client) throw new Error('the cache was not found')
  const queries = client.getQueryCache().getAll().map((it) => [it.queryKey, it.state.data, String(it.state.error ?? '')])
  const acts = client.getMutationCache().getAll().map((it) => [it.state.variables, it.state.data, String(it.state.error ?? '')])
  return JSON.stringify([
    document.documentElement.outerHTML,
    [...document.querySelectorAll('input, textarea')].map((it) => it.value),
    { ...localStorage }, { ...sessionStorage }, history.state, location.href, document.cookie, queries, acts,
  ])
})()`

it('[console.canary] the browser keeps no secret, and is sent none but those that are shown once', async (ctx) => {
  browser = await browserOrSkip(ctx)
  const page = await ownersPage(browser, rt)
  const received: [string, Buffer][] = []
  const bodies: Promise<void>[] = []
  page.on('response', (response) => {
    if (response.headers()['content-type']?.includes('event-stream')) return
    const name = `${response.request().method()} ${new URL(response.url()).pathname}`
    bodies.push(
      response.body().then(
        (bytes) => void received.push([name, bytes]),
        () => undefined,
      ),
    )
  })
  const button = (name: string | RegExp) => page.getByRole('button', { name, exact: typeof name === 'string' })
  const shown: Record<string, string> = {}

  await visit(page, '/settings')
  await button('New token').click()
  await page.getByLabel('Name').fill('canary')
  await button('Create token').click()
  shown.token =
    (await page
      .getByRole('dialog')
      .getByText(/^ar_pat_/)
      .textContent()) ?? ''
  await button('I have stored it').click()

  await visit(page, '/settings?tab=webhooks')
  await button('New webhook').first().click()
  await page.getByLabel('Name').fill('canary')
  await button('Create webhook').click()
  const curl = (await page.getByRole('region', { name: 'Try it from a terminal' }).textContent()) ?? ''
  shown['signing secret'] = /-hmac '([^']+)'/.exec(curl)?.[1] ?? ''
  await button('I have stored the secret').click()

  await visit(page, '/settings?tab=members')
  await button('Invite somebody').click()
  await page.getByLabel('E-mail').fill('canary@example.com')
  await button('Make the invitation').click()
  const link =
    (await page
      .getByRole('dialog')
      .getByText(/\/invite#t=/)
      .textContent()) ?? ''
  shown.invitation = link.split('#t=')[1] ?? ''
  await button('Done').click()

  await visit(page, '/settings?tab=oauth')
  await button('Set up').first().click()
  await page.getByLabel(/^Client id/).fill('nobody.apps.googleusercontent.com')
  await page.locator('input[name=client_secret]').fill(CLIENT_SECRET)
  await button('Save').click()
  await page.getByText('The app google is saved').waitFor()

  await visit(page, '/connections?new=postgres')
  await page.getByLabel(/^Connection string/).fill(shop.dsn())
  await button('Test and save').click()
  await page
    .getByText(/is saved and works\.$/)
    .first()
    .waitFor()
  await page.keyboard.press('Escape')

  await visit(page, '/settings?tab=account')
  await page.locator('input[name=current]').fill(OWNER.password)
  await page.locator('input[name=new]').fill(NEW_PASSWORD)
  await button('Change password').click()
  await page.getByText('The password is changed').first().waitFor()

  for (const [name, value] of Object.entries(shown)) expect(value.length, name).toBeGreaterThan(16)
  // Without a load of the page in between, which would empty the caches by itself.
  const places: [string, Buffer][] = [['the account page', Buffer.from((await page.evaluate(KEPT)) as string)]]
  for (const name of ['Connections', 'Home']) {
    await page.getByRole('link', { name, exact: true }).click()
    await page.getByRole('heading', { level: 1, name }).waitFor()
    places.push([`${name}`, Buffer.from((await page.evaluate(KEPT)) as string)])
  }
  await Promise.all(bodies)
  const session = (await page.context().cookies()).find((it) => it.name.endsWith('ar_session'))?.value ?? ''
  const typed = {
    password: OWNER.password,
    'new password': NEW_PASSWORD,
    'client secret': CLIENT_SECRET,
    'database password': APP_PASSWORD,
  }
  expect(missing('console', { ...typed, ...shown, session })).toEqual([])
  expect(hits({ ...typed, ...shown, session }, places).join('\n')).toBe('')
  expect(received.length).toBeGreaterThan(40)
  expect(hits({ ...typed, session }, received)).toEqual([])
  const once = ['POST /v1/pats', 'POST /v1/inbound-webhooks', 'POST /v1/invitations']
  expect(received.filter(([name]) => once.includes(name))).toHaveLength(once.length)
  expect(
    hits(
      shown,
      received.filter(([name]) => !once.includes(name)),
    ),
  ).toEqual([])
})

async function visit(page: Page, path: string): Promise<void> {
  await page.goto(rt.url + path)
  await settled(page)
}
