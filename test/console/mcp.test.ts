/** Servers and their instances in a real browser: found, installed, set up, tried, checked, and small enough to load. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { browserOrSkip, type TestBrowser } from '../fakes/browser.ts'
import { startTestPostgres, type TestPostgres } from '../fakes/postgres-server.ts'
import { type Provider, startProvider } from '../fakes/provider.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { setUpApp, signIn } from '../walks/sign-in.ts'
import { axe, ownersPage, settled, type Watch, watch } from './kit.ts'

const MAIL = ['https://www.googleapis.com/auth/gmail.send', 'https://www.googleapis.com/auth/gmail.readonly']
const BUDGET = 220 * 1024
const ASSETS = join(import.meta.dirname, '..', '..', 'console', 'dist', 'assets')

let rt: TestRuntime
let shop: TestPostgres
let google: Provider
let browser: TestBrowser | undefined
let page: Page
let watched: Watch
let demo: string

beforeAll(async () => {
  ;[shop, google] = await Promise.all([startTestPostgres(), startProvider({ scopes: MAIL, rotate: 'never' })])
  rt = await runtime({ demo: true, allowPrivate: [`127.0.0.1:${shop.port}`, google.url] })
  google.allowRedirect(`${rt.url}/v1/oauth/callback`)
  await setUpApp(rt, google, { provider: 'google', scopes: [], params: {}, rotates: 'never' }, 'google')
  demo = (await rt.ok('GET', '/v1/mcp/instances')).items[0].id
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await rt?.[Symbol.asyncDispose]()
  await Promise.all([shop?.stop(), google?.close()])
})
beforeEach(async (ctx) => {
  browser ??= await browserOrSkip(ctx)
  if (page) return
  page = await ownersPage(browser, rt)
  watched = watch(page, [422])
})

const dialog = () => page.locator('[role=dialog][data-open]:not([aria-modal=false])')
const visit = async (path: string) => {
  await page.goto(rt.url + path)
  await settled(page)
}
const profiles = async (id = demo) =>
  (await rt.ok('GET', `/v1/mcp/instances/${id}`)).profiles as { name: string; active: boolean; config: object }[]

it('[console.profiles] a server is found, seen whole, and installed with a connection that is made on the way', async () => {
  await visit('/mcp?tab=catalog')
  await page.getByRole('searchbox').fill('explain_query')
  await page.getByText('One server').waitFor()
  await page.waitForURL(/q=explain_query/)
  await page.getByRole('link', { name: 'PostgreSQL' }).click()
  await page.getByRole('heading', { level: 1, name: 'PostgreSQL' }).waitFor()
  await page.getByRole('button', { name: 'Schemas postgres_query' }).click()
  await page.getByText('What the agent sees').click()
  await page.getByText('"inputSchema"').waitFor()
  expect(await axe(page)).toEqual([])

  await page.getByRole('button', { name: 'Add instance' }).click()
  await dialog().getByText('No connection for this server in production yet.').waitFor()
  await dialog().getByLabel(/^Name/).fill('orders')
  await dialog().getByRole('button', { name: 'New connection' }).click()
  await page.getByRole('heading', { name: 'New connection: PostgreSQL' }).waitFor()
  const inner = dialog().last()
  await inner.getByLabel(/^Connection string/).fill(shop.dsn())
  await inner.getByRole('button', { name: 'Test and save' }).click()
  await page.getByText('PostgreSQL is saved and works.').waitFor()
  // Nothing was sent by the form around it.
  expect((await rt.ok('GET', '/v1/mcp/instances')).items).toHaveLength(1)
  await dialog().getByText('Active', { exact: true }).waitFor()
  await dialog().getByRole('button', { name: 'Add instance' }).click()
  await page.getByRole('heading', { level: 1, name: 'orders' }).waitFor()
  await page.getByRole('tab', { name: 'Checks' }).click()
  await page.getByRole('button', { name: 'Run the checks' }).click()
  await page.getByText('All passed').waitFor()
  expect(await axe(page)).toEqual([])
  expect(watched.wrong).toEqual([])
})

it('[console.profiles] one value as form and as JSON; a copy is made active with its differences in sight, and back again', async () => {
  await visit(`/mcp/instances/${demo}`)
  await page.getByRole('button', { name: 'Duplicate' }).click()
  await dialog().getByRole('button', { name: 'Create profile' }).click()
  await page.getByRole('button', { name: 'default copy' }).waitFor()
  await expect.poll(() => page.getByRole('button', { name: 'default copy' }).getAttribute('aria-current')).toBe('true')

  const rows = page.getByLabel('max_rows').first()
  await rows.fill('20000')
  await page.getByText('At most 10000.').waitFor()
  expect(await page.getByRole('button', { name: 'Save profile' }).isDisabled()).toBe(true)
  await rows.fill('5')
  await page.getByRole('switch', { name: 'allow_write' }).click()
  await page.getByText('One unsaved change').waitFor()

  const settings = page.locator('form').filter({ has: page.getByRole('button', { name: 'Save profile' }) })
  await settings.getByText('JSON', { exact: true }).click()
  const json = settings.locator('textarea')
  expect(JSON.parse(await json.inputValue())).toMatchObject({ max_rows: 5, allow_write: true })
  await json.fill('{\n  "max_rows": 7,\n  oops\n}')
  await page.getByText(/^Line 3, column 3/).waitFor()
  expect(await page.getByRole('button', { name: 'Save profile' }).isDisabled()).toBe(true)
  expect(await axe(page)).toEqual([])
  await json.fill('{ "database_path": "orders.sqlite", "max_rows": 7 }')
  await settings.getByText('Form', { exact: true }).click()
  expect(await rows.inputValue()).toBe('7')

  // What is not saved is not lost without a word.
  await page.getByRole('link', { name: 'Runs' }).click()
  await page.getByRole('button', { name: 'Stay' }).click()
  await rows.focus()
  await page.keyboard.press('Control+s')
  await page.getByText('default copy is saved.').waitFor()
  expect((await profiles()).find((p) => p.name === 'default copy')).toMatchObject({ active: false, config: { max_rows: 7 } })

  // It is tried before it serves.
  await page.getByText('This tries default copy, which is not active. Nobody else gets it yet.').waitFor()
  await page.getByLabel(/^sql/).fill('select id from orders')
  await page.getByRole('button', { name: 'Run tool' }).click()
  await page.getByText(/^Worked, in/).waitFor()
  expect(await page.getByRole('tabpanel').getByRole('row').count()).toBe(8) // seven, and their title
  await page.getByRole('tab', { name: 'Checks' }).click()
  await page.getByRole('button', { name: 'Run the checks' }).click()
  await page.getByText('default copy is not active, and is tried all the same').waitFor()
  expect(await axe(page)).toEqual([])
  await page.getByRole('button', { name: 'Make active' }).click()
  const change = dialog().getByRole('row').filter({ hasText: 'max_rows' })
  await change.getByText('7').waitFor()
  await dialog().getByText('One workflow uses this from its next step.').waitFor()
  expect(await axe(page)).toEqual([])
  await dialog().getByRole('button', { name: 'Make active' }).click()
  await page.getByText('default copy serves production now.').waitFor()
  expect((await profiles()).filter((p) => p.active).map((p) => p.name)).toEqual(['default copy'])
  await page.getByRole('button', { name: 'Undo' }).click()
  await until(async () => (await profiles()).find((p) => p.active)?.name === 'default', 'the one before to serve again')
  expect(watched.wrong).toEqual([])
})

describe('a tool', () => {
  it('[console.try-tool] is tried by a form, by keyboard, and shows what came and what failed', async () => {
    await visit(`/mcp/instances/${demo}?tool=sqlite_query`)
    const sql = page.getByLabel(/^sql/)
    await sql.focus()
    await page.keyboard.press('Control+Enter')
    await page.getByText('This is missing.').first().waitFor()
    await sql.fill('select day, count(*) as orders from orders group by day order by day limit 3')
    await page.keyboard.press('Control+Enter')
    await page.getByText(/^Worked, in/).waitFor()
    await page.getByRole('columnheader', { name: 'orders' }).waitFor()
    await page.getByText('Raw', { exact: true }).click()
    await page.getByText('"row_count":3').waitFor()
    expect(await axe(page)).toEqual([])
    await sql.fill('select no_such_column from orders')
    await page.keyboard.press('Control+Enter')
    await page.getByRole('alert').filter({ hasText: 'no_such_column' }).waitFor()
    // Objects and lists in it are asked for part by part.
    await page.getByRole('button', { name: 'Add args' }).click()
    await page.getByRole('button', { name: 'Add another' }).click()
    await page.getByLabel(/^Item 1/).waitFor()
    expect(await axe(page)).toEqual([])
  })

  it('[console.try-tool] that destroys is called after a question only', async () => {
    const id = (await rt.ok('GET', '/v1/mcp/instances')).items.find((i: { name: string }) => i.name === 'orders').id
    await visit(`/mcp/instances/${id}?tool=postgres_exec`)
    await page.getByText('Destroys').waitFor()
    await page.getByLabel(/^sql/).fill('select 1')
    await page.getByRole('button', { name: 'Run tool' }).click()
    await dialog().getByText('It destroys something, and there is no undo.').waitFor()
    await dialog().getByText('"select 1"').waitFor()
    expect(await axe(page)).toEqual([])
    await page.keyboard.press('Escape')
    expect(await page.getByText(/^Worked, in/).count()).toBe(0)
    const { last_calls } = await rt.ok(
      'GET',
      `/v1/connections/${(await rt.ok('GET', `/v1/mcp/instances/${id}`)).profiles[0].connection_id}/usage`,
    )
    expect(last_calls.map((c: { tool: string }) => c.tool)).not.toContain('postgres_exec')
  })

  it('[console.try-tool] that is not allowed yet stays in sight, with what is missing and the way to it', async () => {
    const { connection } = await signIn(rt, google, {
      slug: 'google',
      services: ['gmail'],
      narrowTo: ['openid', 'email', MAIL[1] as string],
    })
    const { id } = await rt.ok('POST', '/v1/mcp/instances', { slug: 'gmail', name: 'mail', connection_id: connection })
    await visit(`/mcp/instances/${id}?tool=send_email`)
    await page.getByText('Not available yet').waitFor()
    await page.getByText(MAIL[0] as string).waitFor()
    expect(await axe(page)).toEqual([])
    expect(await page.getByRole('button', { name: 'Run tool' }).count()).toBe(0)
    const [window] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button', { name: 'Grant it' }).click()])
    await window.getByText(MAIL[0] as string).waitFor({ state: 'attached' }) // exactly that is asked for
    await window.close()
  })
})

it('[console.budget] lists and configurations stay within what a slow line can load', async () => {
  const sizes: Record<string, number> = {}
  for (const path of ['/connections', '/mcp', '/mcp?tab=catalog', `/mcp/instances/${demo}`]) {
    const fresh = await page.context().newPage()
    const scripts = new Set<string>()
    fresh.on('request', (request) => {
      const name = /\/assets\/([^/?]+\.js)$/.exec(request.url())?.[1]
      if (name) scripts.add(name)
    })
    await fresh.goto(rt.url + path)
    await settled(fresh)
    await fresh.waitForLoadState('networkidle')
    sizes[path] = [...scripts].reduce((sum, name) => sum + statSync(join(ASSETS, `${name}.gz`)).size, 0)
    await fresh.close()
  }
  expect(readdirSync(ASSETS).length).toBeGreaterThan(5)
  for (const [path, size] of Object.entries(sizes)) {
    expect(size, path).toBeGreaterThan(50 * 1024)
    expect(size, path).toBeLessThanOrEqual(BUDGET)
  }
})
