/** People in the browser: one is invited and comes in with less, a session that ends keeps the work, a way back never leads away. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { browserOrSkip, type TestBrowser } from '../fakes/browser.ts'
import { OWNER, runtime, type TestRuntime } from '../harness.ts'
import { axe, ownersPage, settled, type Watch, watch } from './kit.ts'

let rt: TestRuntime
let browser: TestBrowser | undefined
let page: Page
let watched: Watch

beforeAll(async () => {
  rt = await runtime({ demo: true })
  await rt.session()
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await rt?.[Symbol.asyncDispose]()
})
async function open(ctx: Parameters<typeof browserOrSkip>[0], path: string): Promise<Page> {
  browser ??= await browserOrSkip(ctx)
  page ??= await ownersPage(browser, rt)
  watched ??= watch(page, [401])
  await page.goto(rt.url + path)
  await settled(page)
  return page
}

it('[console.invite] somebody who is invited comes in by the link, once, and sees why what is not theirs to do is off', async (ctx) => {
  const at = await open(ctx, '/settings?tab=members')
  await at.getByRole('button', { name: 'Invite somebody' }).click()
  await at.getByLabel('E-mail').fill('vera@example.com')
  await at.getByLabel('In this project').selectOption('project_viewer')
  await at.getByRole('button', { name: 'Make the invitation' }).click()
  const link =
    (await at
      .getByRole('dialog')
      .getByText(/\/invite#t=/)
      .textContent()) ?? ''
  await at.getByRole('button', { name: 'Done' }).click()
  await at.getByRole('heading', { name: 'Open invitations' }).waitFor()

  const vera = await browser!.stranger()
  await vera.goto(link)
  await vera.getByRole('heading', { name: /^Join / }).waitFor()
  expect(await axe(vera)).toEqual([])
  await vera.getByLabel('Your name').fill('Vera')
  await vera.locator('input[name=password]').fill('thirteen blue lanterns')
  await vera.getByRole('button', { name: 'Join', exact: true }).click()
  await vera.waitForURL(`${rt.url}/`)
  await vera.getByRole('navigation').first().waitFor()
  // She may look: what changes something stays in its place, and says what it needs.
  await vera.goto(`${rt.url}/settings?tab=webhooks`)
  const add = vera.getByRole('button', { name: 'New webhook' }).first()
  await add.waitFor()
  expect(await add.isDisabled()).toBe(true)
  expect(await add.getAttribute('title')).toMatch(/needs .*contributor/i)
  expect(await vera.getByRole('tab', { name: 'Audit log' }).count()).toBe(0)
  await vera.goto(`${rt.url}/settings?tab=audit`)
  await vera.getByText('Needs the role admin').waitFor()

  // The link has done its work.
  const late = await browser!.stranger()
  await late.goto(link)
  await late.getByRole('heading', { name: 'This link opens nothing' }).waitFor()

  // Her role is raised while she is in.
  await at.reload()
  await at.getByLabel('Role of Vera in this project').selectOption('project_contributor')
  await at.getByText('The roles of Vera are changed').first().waitFor()
  await Promise.all([vera.close(), late.close()])
})

it('[console.session-ends] a session that ends is begun again over the page, and what was typed is still there', async (ctx) => {
  const at = await open(ctx, '/settings')
  await at.getByRole('button', { name: 'New token' }).click()
  await at.getByLabel('Name').fill('Half done')
  await at.context().clearCookies()
  await at.getByRole('button', { name: 'Create token' }).click()
  await at.getByRole('dialog', { name: 'Sign in again' }).waitFor()
  expect(await axe(at)).toEqual([])
  await at.getByRole('dialog', { name: 'Sign in again' }).locator('input[name=password]').fill(OWNER.password)
  await at.keyboard.press('Enter')
  await at.getByRole('dialog', { name: 'Sign in again' }).waitFor({ state: 'detached' })
  expect(await at.getByLabel('Name').inputValue()).toBe('Half done')
  await at.getByRole('button', { name: 'Create token' }).click()
  await at
    .getByRole('dialog')
    .getByText(/^ar_pat_/)
    .waitFor()
})

it('[console.return] after the sign-in one is where one wanted to be, and never at an address of somebody else', async (ctx) => {
  browser ??= await browserOrSkip(ctx)
  for (const [asked, reached] of [
    ['/runs?status=failed', '/runs?status=failed'],
    ['//evil.example/x', '/'],
    ['https://evil.example/', '/'],
    ['/\\evil.example', '/'],
  ]) {
    const someone = await browser.stranger()
    await someone.goto(`${rt.url}/login?return_to=${encodeURIComponent(asked as string)}`)
    await someone.getByLabel('E-mail').fill(OWNER.email)
    await someone.locator('input[name=password]').fill(OWNER.password)
    await someone.keyboard.press('Enter')
    await someone.waitForURL(rt.url + reached)
    await someone.close()
  }
  expect(watched.wrong.join('\n')).toBe('')
  expect(browser.refused).toEqual([])
})
