/** Settings in the browser: what is shown once is shown once, and what is taken back stops working. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { browserOrSkip, type TestBrowser } from '../fakes/browser.ts'
import { OWNER, runtime, type TestRuntime, until } from '../harness.ts'
import { published } from '../walks/acts.ts'
import { ownersPage, settled, signIn, type Watch, watch } from './kit.ts'

let rt: TestRuntime
let browser: TestBrowser | undefined
let page: Page
let watched: Watch
let workflow = ''

beforeAll(async () => {
  rt = await runtime({ demo: true })
  const [demo] = (await rt.ok('GET', '/v1/mcp/instances')).items
  workflow = await published(rt, 'On order', [
    { id: 'look', instance_id: demo.id, tool_name: 'sqlite_query', tool_args: { sql: 'select 1 as one' } },
  ])
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await rt?.[Symbol.asyncDispose]()
})
async function open(ctx: Parameters<typeof browserOrSkip>[0], path: string): Promise<Page> {
  browser ??= await browserOrSkip(ctx)
  page ??= await ownersPage(browser, rt)
  watched ??= watch(page, [422])
  await page.goto(rt.url + path)
  await settled(page)
  return page
}
/** All that a browser keeps of a page. */
const kept = (at: Page) =>
  at.evaluate(
    '[document.documentElement.outerHTML, JSON.stringify(localStorage), JSON.stringify(sessionStorage), location.href, document.cookie].join("\\n")',
  ) as Promise<string>

it('[console.tokens] a token is shown once, works, says when it was used, and ends when it is revoked', async (ctx) => {
  const at = await open(ctx, '/settings')
  await at.getByRole('button', { name: 'New token' }).click()
  await at.getByLabel('Name').fill('For the robot')
  await at.getByLabel('See connections, never a credential').check()
  await at.getByRole('button', { name: 'Create token' }).click()
  const shown = at.getByRole('dialog').getByText(/^ar_pat_/)
  const token = (await shown.textContent()) ?? ''
  await at.keyboard.press('Escape') // only its own button closes what is shown once
  await shown.waitFor()
  const mine = { authorization: `Bearer ${token}` }
  expect((await rt.api('GET', '/v1/connections', undefined, mine)).status).toBe(200)
  expect((await rt.api('GET', '/v1/audit', undefined, mine)).status).toBe(403)
  await at.getByRole('button', { name: 'I have stored it' }).click()
  await at.getByRole('cell', { name: 'For the robot', exact: true }).waitFor()
  expect(await kept(at)).not.toContain(token.slice(0, 20))

  const row = at.getByRole('row').filter({ hasText: 'For the robot' })
  await until(async () => {
    await at.reload()
    await settled(at)
    return (await row.textContent())?.includes('just now')
  }, 'its use to be written down')
  await at.getByRole('button', { name: 'Revoke For the robot' }).click()
  await at.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
  await row.getByText('Revoked').waitFor()
  await until(async () => (await rt.api('GET', '/v1/connections', undefined, mine)).status === 401, 'the token to be dead', 2_000)
})

it('[console.webhook] a webhook shows its secret once, waits for the first request, and shows what came', async (ctx) => {
  const at = await open(ctx, '/settings?tab=webhooks')
  await at.getByRole('button', { name: 'New webhook' }).first().click()
  await at.getByLabel('Name').fill('Shop')
  await at.getByLabel('Workflow that it starts').selectOption({ label: 'On order' })
  await at.getByRole('button', { name: 'Create webhook' }).click()
  const dialog = at.getByRole('dialog')
  await dialog.getByText('Waiting for the first request').waitFor()
  const curl = (await dialog.getByRole('region', { name: 'Try it from a terminal' }).textContent()) ?? ''
  const secret = /-hmac '([^']+)'/.exec(curl)?.[1] ?? ''
  expect(secret.length).toBeGreaterThan(20)
  // What the page shows is what a person would paste.
  const { execFile } = await import('node:child_process')
  const said = await new Promise<string>((resolve, reject) =>
    execFile('bash', ['-c', curl], (error, stdout) => (error ? reject(error) : resolve(stdout))),
  )
  const { run_id } = JSON.parse(said) as { run_id: string }
  await dialog.getByText('a run started').waitFor()
  await dialog.getByRole('button', { name: 'I have stored the secret' }).click()
  await at.getByRole('link', { name: 'Shop', exact: true }).click()
  await at.getByRole('link', { name: 'Open the run' }).click()
  await at.waitForURL(`${rt.url}/runs/${workflow}/${run_id}`)
  expect(await kept(at)).not.toContain(secret)

  await at.goto(`${rt.url}/settings?tab=webhooks`)
  await at.getByRole('switch', { name: 'Shop takes deliveries' }).click()
  await until(
    async () => (await at.getByRole('switch', { name: 'Shop takes deliveries' }).getAttribute('aria-checked')) === 'false',
    'the webhook to be off',
  )
})

it('[console.password] a changed password ends the sessions of other browsers, and the old one opens nothing', async (ctx) => {
  const at = await open(ctx, '/settings?tab=account')
  const elsewhere = await browser!.stranger()
  await signIn(elsewhere, rt)
  await at.reload()
  await at.getByRole('button', { name: 'Sign out everywhere else' }).waitFor()
  await at.locator('input[name=current]').fill('not the password')
  await at.locator('input[name=new]').fill('eighteen green bottles')
  await at.getByRole('button', { name: 'Change password' }).click()
  await at.getByRole('alert').first().waitFor()
  await at.locator('input[name=current]').fill(OWNER.password)
  await at.getByRole('button', { name: 'Change password' }).click()
  await at.getByText('The password is changed').first().waitFor()
  expect(await at.locator('input[name=new]').inputValue()).toBe('')
  await elsewhere.goto(`${rt.url}/runs`)
  await elsewhere.waitForURL(/\/login/)
  await at.reload()
  await at.getByRole('heading', { name: 'Where you are signed in' }).waitFor() // this one goes on
  watched.wrong.splice(0, watched.wrong.length, ...watched.wrong.filter((it) => !/status of 40[13]/.test(it)))
  expect(watched.wrong.join('\n')).toBe('')
  expect(browser?.refused).toEqual([])
})

it('[audit.uses] the audit page shows which secrets an entry answers for: who, of what, where to', async (ctx) => {
  const elsewhere = 'https://127.0.0.1:1' // refused on the way out, after the secret was opened for it
  const credentials = { api_key: 'a-key-that-nobody-keeps' }
  const { body } = await rt.api('POST', '/v1/connections/try', {
    provider: 'http',
    service: 'bearer',
    credentials,
    config: { base_url: elsewhere },
  })
  expect(body).toMatchObject({ ok: false })
  expect((await rt.ok('GET', '/v1/audit/uses?purpose=check')).items).toHaveLength(1)
  const at = await open(ctx, '/settings?tab=audit')
  await at.getByRole('button', { name: 'secrets.used' }).first().click()
  const uses = at.getByRole('table', { name: 'Uses of secrets' })
  await uses.getByText('127.0.0.1:1', { exact: true }).waitFor()
  await uses.getByText('version 1', { exact: true }).waitFor()
  expect(await kept(at)).not.toContain(credentials.api_key)
})
