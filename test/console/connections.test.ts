/** Connections in a real browser: a key that is tried first, what uses it, a list of any length, and somebody who may only look. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { browserOrSkip, type TestBrowser } from '../fakes/browser.ts'
import { APP_PASSWORD, startTestPostgres, type TestPostgres } from '../fakes/postgres-server.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { behindTheScenes, graphOf } from '../walks/acts.ts'
import { hits } from '../walks/canary.ts'
import { axe, ownersPage, settled, type Watch, watch } from './kit.ts'

const WRONG = 'not-the-password-at-all'
const MANY = 10_000
const MOST_IN_PAGE = 60

let rt: TestRuntime
let shop: TestPostgres
let browser: TestBrowser | undefined
let page: Page
let watched: Watch
/** All that the server has sent to the browser. */
const received: [string, Buffer][] = []

beforeAll(async () => {
  shop = await startTestPostgres()
  rt = await runtime({ allowPrivate: [`127.0.0.1:${shop.port}`] })
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await rt?.[Symbol.asyncDispose]()
  await shop?.stop()
})
const open = async (ctx: Parameters<typeof browserOrSkip>[0]) => {
  browser ??= await browserOrSkip(ctx)
  if (page) return
  page = await ownersPage(browser, rt)
  watched = watch(page)
  page.on(
    'response',
    (response) =>
      void response.body().then(
        (bytes) => received.push([response.url(), bytes]),
        () => undefined,
      ),
  )
}

/** Messages at the edge have the role too. */
const dialog = () => page.locator('[role=dialog][data-open]:not([aria-modal=false])')
const row = (name: string) => page.getByRole('table', { name: 'Connections' }).getByRole('row').filter({ hasText: name })
const focused = () => page.evaluate('document.activeElement?.textContent ?? ""') as Promise<string>
const connections = async () => (await rt.ok('GET', '/v1/connections?limit=200')).items as { id: string; name: string; status: string }[]
const connect = async (name: string) =>
  (await rt.ok('POST', '/v1/connections', { display_name: name, provider: 'postgres', credentials: { dsn: shop.dsn() } })).id as string

describe('a key', () => {
  it('[console.key] is tried first: a bad one is kept in the form and nowhere else, unless somebody wants it', async (ctx) => {
    await open(ctx)
    await page.goto(`${rt.url}/connections`)
    await settled(page)
    await page.getByRole('button', { name: 'New connection' }).first().click()
    // The keyboard is where one types, and Enter takes the first that is found.
    await page.getByRole('dialog').locator('input[type=search]:focus').waitFor()
    await page.keyboard.type('postgre')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'PostgreSQL' }).waitFor()

    // Nothing entered: said at the field, and the focus goes to the list of what is wrong.
    await page.getByRole('button', { name: 'Test and save' }).click()
    await page.getByRole('alert').filter({ hasText: 'Connection string is missing' }).waitFor()
    await expect.poll(() => page.evaluate('document.activeElement?.getAttribute("role")')).toBe('alert')
    expect(await axe(page)).toEqual([])

    const field = page.getByLabel(/^Connection string/)
    await field.fill(`  "${shop.dsn(undefined, WRONG)}"\n`)
    await field.blur()
    expect(await field.inputValue()).toBe(shop.dsn(undefined, WRONG)) // what was copied along is gone
    await page.getByText(`Leads to 127.0.0.1:${shop.port}, database shop, as app.`).waitFor()
    await page.getByRole('button', { name: 'Test and save' }).click()
    await page.getByText('Nothing was saved.').waitFor()
    expect(await axe(page)).toEqual([])
    expect(await connections()).toEqual([])
    expect(await field.inputValue()).toContain(WRONG)

    await page.getByRole('button', { name: 'Save anyway' }).click()
    await dialog().getByText('Not tested').first().waitFor()
    expect(await connections()).toMatchObject([{ name: 'PostgreSQL', status: 'unverified' }])
    await page.keyboard.press('Escape')
    await row('PostgreSQL').getByText('Not tested').waitFor()

    await page.getByRole('button', { name: 'New connection' }).first().click()
    await page.getByRole('button', { name: /^PostgreSQL/ }).click()
    await page.getByLabel(/^Name/).fill('Shop')
    await page.getByLabel(/^Connection string/).fill(shop.dsn())
    await page.getByRole('button', { name: 'Test and save' }).click()
    await dialog().getByText('Active').first().waitFor()
    await page.getByText('Shop is saved and works.').waitFor()
    await page.getByRole('tab', { name: 'Credential' }).click()
    await dialog().getByText('version 1, saved').waitFor()
    await page.keyboard.press('Escape')

    // Whatever the browser holds and whatever it was sent: the secret is in none of it.
    const kept = (await page.evaluate(`JSON.stringify([document.documentElement.outerHTML, { ...localStorage }, { ...sessionStorage },
      history.state, location.href, [...document.querySelectorAll('input')].map((i) => i.value)])`)) as string
    const cached = (await page.evaluate('caches.keys().then((keys) => keys.length)')) as number
    expect(cached).toBe(0)
    const secrets = { password: APP_PASSWORD, 'wrong password': WRONG }
    expect(received.length).toBeGreaterThan(10)
    expect(hits(secrets, [['the browser', Buffer.from(kept)], ...received])).toEqual([])
    expect(watched.wrong).toEqual([])
  })

  it('[console.key] single keys act on the row that has the focus, and on nothing else', async (ctx) => {
    await open(ctx)
    await page.goto(`${rt.url}/connections`)
    await settled(page)
    await row('Shop').getByRole('link').focus()
    await page.keyboard.press('/')
    expect(await page.evaluate('document.activeElement?.getAttribute("type")')).toBe('search')
    await page.keyboard.type('n') // a letter in a field is a letter
    await page.waitForURL(/q=n/)
    await page.getByRole('searchbox').fill('')
    await page.waitForURL((url) => !url.search.includes('q='))
    await row('Shop').getByRole('link').focus()
    await page.keyboard.press('ArrowDown')
    expect(await focused()).toBe('PostgreSQL')
    await page.keyboard.press('k')
    expect(await focused()).toBe('Shop')
    await page.keyboard.press('t')
    await page.getByText(/^Works: app on shop/).waitFor()
    await page.keyboard.press('Enter')
    await dialog().waitFor()
    await page.keyboard.press('Escape')
    await expect.poll(focused).toBe('Shop') // back on the row that was opened
    await page.keyboard.press('n')
    await page.getByRole('heading', { name: 'New connection' }).waitFor()
    await page.keyboard.press('Escape')
    // Filters are in the address: what is seen can be sent to somebody.
    await row('Shop').getByRole('link').click()
    await dialog().getByRole('button', { name: 'Rename …' }).click()
    await page.getByLabel(/^Name/).fill('Shop of ours')
    await page.getByRole('button', { name: 'Rename connection' }).click()
    await dialog().getByRole('heading', { name: 'Shop of ours' }).waitFor()
    await dialog().getByRole('button', { name: 'Switch off' }).click()
    await page.getByText('Shop of ours is off. Nothing can use it.').waitFor()
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.getByText('Shop of ours is on again.').waitFor()
    await dialog().getByRole('button', { name: 'Test now' }).click()
    await dialog()
      .getByText(/^Works: app on shop/)
      .waitFor()
    await page.goto(`${rt.url}/connections?status=active`)
    await row('Shop').waitFor()
    expect(await page.getByRole('link', { name: 'PostgreSQL', exact: true }).count()).toBe(0)
    await page.goto(`${rt.url}/connections?status=disabled`)
    await page.getByText('No connections match status:Disabled').waitFor()
    await page.getByRole('button', { name: 'Clear filters' }).click()
    await row('Shop').waitFor()
    expect(watched.wrong).toEqual([])
  })
})

it('[console.delete-guard] what uses it is shown, unwired with a replacement, and only then it goes', async (ctx) => {
  await open(ctx)
  const [old, next] = [await connect('Old orders'), await connect('New orders')]
  const instance = (await rt.ok('POST', '/v1/mcp/instances', { slug: 'postgres', name: 'orders', connection_id: old })).id as string
  await rt.ok('POST', `/v1/mcp/instances/${instance}/config-profiles`, { name: 'spare', connection_id: old })
  await rt.ok('POST', '/v1/workflows', {
    name: 'Order follow-up',
    graph: graphOf([{ id: 'look', instance_id: instance, tool_name: 'postgres_query', tool_args: { sql: 'select 1' } }]),
  })
  await page.goto(`${rt.url}/connections`)
  await settled(page)
  expect(await row('Old orders').innerText()).toContain('1 instance · 1 workflow')
  await row('Old orders').getByRole('link').click()
  await dialog().getByText('Order follow-up').waitFor()
  await dialog().getByText('step look').waitFor()
  const remove = dialog().getByRole('button', { name: 'Delete …' })
  expect(await remove.isDisabled()).toBe(true)
  await dialog().getByText('Used by one instance').waitFor()
  expect(await axe(page)).toEqual([])

  await page.getByRole('button', { name: 'Unwire them' }).click()
  await page.getByLabel('orders, profile default, production').selectOption({ label: 'New orders' })
  await page.getByText('One profile is left without a connection').waitFor()
  await page.getByLabel('orders, profile spare, production').selectOption({ label: 'New orders' })
  await page.getByRole('button', { name: 'Change 2 profiles' }).click()
  await page.getByText('Nothing uses Old orders any more.').waitFor()
  const { profiles } = await rt.ok('GET', `/v1/mcp/instances/${instance}`)
  expect(profiles.map((p: { connection_id: string }) => p.connection_id)).toEqual([next, next])

  await expect.poll(() => remove.isDisabled()).toBe(false)
  await remove.click()
  await page.getByRole('button', { name: 'Delete connection' }).click()
  await page.getByText('Old orders is deleted.').waitFor()
  expect((await connections()).map((c) => c.name)).not.toContain('Old orders')
  expect(watched.wrong).toEqual([])
})

it('[console.long-list] ten thousand rows scroll, and few of them are there', { timeout: 90_000 }, async (ctx) => {
  await open(ctx)
  await using db = await behindTheScenes(rt)
  const [one] = await db.rows('select * from connections limit 1')
  await db.rows(
    `insert into connections (id, workspace_id, project_id, name, provider, service, environment, status, credential_version)
     select 'conn_00' || lpad(n::text, 24, '0'), $1, $2, 'Row ' || n, 'github', 'api_key', 'bulk', 'active', 1
     from generate_series(1, ${MANY}) as n`,
    [one?.workspace_id, one?.project_id],
  )
  try {
    await page.goto(`${rt.url}/connections?q=Row`)
    await row(`Row ${MANY}`).first().waitFor()
    const inPage = () => page.getByRole('table', { name: 'Connections' }).getByRole('row').count()
    await page.getByRole('link', { name: `Row ${MANY}`, exact: true }).focus()
    let most = 0
    const end = Date.now() + 75_000
    while (!(await page.getByRole('link', { name: 'Row 1', exact: true }).isVisible())) {
      if (Date.now() > end) throw new Error(`the end was not reached: ${await focused()}`)
      await page.keyboard.press('End')
      most = Math.max(most, await inPage())
    }
    expect(most).toBeGreaterThan(10)
    expect(most).toBeLessThanOrEqual(MOST_IN_PAGE)
    await expect.poll(focused).toBe('Row 1')
    await page.getByText('10,000 connections').or(page.getByText('10000 connections')).waitFor()
    await page.keyboard.press('Home')
    await expect.poll(focused).toBe(`Row ${MANY}`)
  } finally {
    await db.rows("delete from connections where environment = 'bulk'")
  }
  expect(watched.wrong).toEqual([])
})

it('[console.viewer] somebody who may only look is told why at every control', async (ctx) => {
  await open(ctx)
  await using db = await behindTheScenes(rt)
  await db.rows("update members set role = 'member'")
  await db.rows(`insert into project_members (workspace_id, project_id, user_id, role)
    select m.workspace_id, p.id, m.user_id, 'project_viewer' from members m join projects p using (workspace_id)`)
  const why = 'Needs the role contributor in this project.'
  try {
    const add = page.getByRole('button', { name: 'New connection' }).first()
    // A role that was taken away is believed for a second more.
    await until(async () => {
      await page.goto(`${rt.url}/connections`)
      await row('Shop').waitFor()
      return (await add.getAttribute('aria-disabled')) === 'true'
    }, 'the new role to be known')
    expect(await add.getAttribute('title')).toBe(why)
    await add.focus() // it can be reached, and hears its reason
    await page.keyboard.press('Enter')
    expect(await dialog().count()).toBe(0)
    await page.getByText(why).first().waitFor()
    // The list may be drawn anew under the pointer, and then nobody has clicked.
    await until(async () => {
      if ((await dialog().count()) === 0) await row('Shop').getByRole('link').click()
      const opened = dialog().getByRole('button', { name: 'Test now' }).waitFor({ timeout: 3_000 })
      return opened.then(
        () => true,
        () => false,
      )
    }, 'the connection to open')
    for (const name of ['Test now', 'Switch off', 'Delete …'])
      expect(await dialog().getByRole('button', { name }).getAttribute('title')).toBe(why)
    await page.getByRole('tab', { name: 'Credential' }).click()
    expect(await dialog().getByRole('button', { name: 'Replace …' }).getAttribute('title')).toBe(why)
    expect(await axe(page)).toEqual([])
    await page.goto(`${rt.url}/mcp?tab=catalog`)
    await page.getByRole('button', { name: 'Add instance GitHub' }).click({ force: true })
    expect(await dialog().count()).toBe(0)
  } finally {
    await db.rows("update members set role = 'owner'")
    await db.rows('delete from project_members')
  }
})
