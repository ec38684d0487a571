/** The first minutes with the Console in a real browser: set up by the link, leave, come back. */
import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'
import { browserOrSkip } from '../fakes/browser.ts'
import { OWNER, runtime } from '../harness.ts'
import './kit.ts'

const BUILT = new URL('../../console/dist/index.html', import.meta.url)

it('[console.sign-in] the setup link makes the first owner, who signs out and in again and comes back to the same page', async (ctx) => {
  expect(existsSync(BUILT), 'npm run build builds the Console').toBe(true)
  await using browser = await browserOrSkip(ctx)
  await using rt = await runtime()
  const page = await browser.page()
  const wrong: string[] = []
  page.on('pageerror', (error) => wrong.push(error.message))

  const password = page.locator('input[name=password]')

  // A stranger is sent to the door, and from there nowhere: nobody can sign in yet.
  await page.goto(`${rt.url}/connections`)
  await page.waitForURL(/\/login\?return_to=%2Fconnections/)

  await page.goto(rt.setup as string)
  await page.getByLabel('E-mail').fill(OWNER.email)
  await password.fill('too short')
  await page.getByRole('button', { name: 'Create workspace' }).click()
  expect(await password.getAttribute('aria-invalid')).toBe('true')
  expect(page.url()).not.toContain('#') // the token is no longer in the address
  await password.fill(OWNER.password)
  await page.getByRole('button', { name: 'Create workspace' }).click()
  await page.waitForURL(`${rt.url}/`)
  await page.getByRole('navigation').first().waitFor()

  // The browser keeps the session where no script can read it.
  const [cookie] = await page.context().cookies()
  expect(cookie).toMatchObject({ name: 'ar_session', httpOnly: true, sameSite: 'Lax', path: '/' })
  expect(await page.evaluate('document.cookie')).toBe('')

  // A second window of the same link is told that this is over.
  const late = await browser.page()
  await late.goto(rt.setup as string)
  await late.getByRole('link', { name: /sign in/i }).waitFor()
  await late.close()

  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForURL(/\/login$/)
  expect(await page.context().cookies()).toEqual([])
  await page.goto(`${rt.url}/runs`)
  await page.waitForURL(/\/login/)
  await page.getByLabel('E-mail').fill(OWNER.email)
  await password.fill('seventeen green battles')
  await page.keyboard.press('Enter')
  await page.getByText('the e-mail or the password is not right').waitFor()
  await password.fill(OWNER.password)
  await page.keyboard.press('Enter')
  await page.waitForURL(`${rt.url}/runs`)
  expect(wrong).toEqual([])
  expect(browser.refused).toEqual([])
})
