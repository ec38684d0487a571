/** The first two minutes: from the printed link to a run of one's own, with nothing but a browser. */
import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { browserOrSkip, type TestBrowser } from '../fakes/browser.ts'
import { startTestPostgres, type TestPostgres } from '../fakes/postgres-server.ts'
import { OWNER, runtime, type TestRuntime } from '../harness.ts'
import { axe, watch } from './kit.ts'

/** What the brief allows: acts until a tool has answered, and seconds in all, at the pace of a person. */
const MOST_ACTS = 14
const MOST_SECONDS = 120
/** To find a control and use it; and to type one character. Pasting is one act. */
const ACT_S = 2
const KEY_S = 0.12

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

/** Counts what a person does, and how long that takes a person. */
function person(page: Page) {
  const it = {
    acts: 0,
    seconds: 0,
    async click(what: Locator) {
      await what.click()
      it.acts++
      it.seconds += ACT_S
    },
    async type(what: Locator | null, text: string) {
      if (what) await what.click()
      await page.keyboard.type(text)
      it.acts++
      it.seconds += ACT_S + text.length * KEY_S
    },
    async paste(what: Locator, text: string) {
      await what.fill(text)
      it.acts++
      it.seconds += ACT_S
    },
    async press(key: string) {
      await page.keyboard.press(key)
      it.acts++
      it.seconds += KEY_S
    },
  }
  return it
}

it('[console.first-run] setup link, owner, tool call, run, connection, a workflow of one’s own, its run: in two minutes', async (ctx) => {
  browser = await browserOrSkip(ctx)
  const page = await browser.page()
  const watched = watch(page)
  const me = person(page)
  const button = (name: string | RegExp) => page.getByRole('button', { name, exact: typeof name === 'string' })

  await page.goto(rt.setup as string)
  await me.type(page.getByLabel('E-mail'), OWNER.email)
  await me.type(page.locator('input[name=password]'), OWNER.password)
  await me.click(button('Create workspace'))
  await page.getByText('0 of 4 done').waitFor()
  expect(await axe(page)).toEqual([])
  await me.click(button('Run tool'))
  await page.getByText(/^Worked: 5 rows/).waitFor()
  expect(me.acts).toBeLessThanOrEqual(MOST_ACTS)
  const untilAnswer = { ...me }

  await me.click(button('Run it'))
  await page.getByRole('listitem').getByText('Completed').first().waitFor()
  await page.getByText('2 of 4 done').waitFor()

  await me.click(page.getByRole('link', { name: 'New connection' }))
  await page.getByRole('dialog').getByRole('searchbox').or(page.getByRole('dialog').getByRole('textbox')).first().waitFor()
  await me.type(null, 'postgre')
  await me.press('Enter')
  await me.paste(page.getByLabel(/^Connection string/), shop.dsn())
  await me.click(button('Test and save'))
  await page.getByText(/is saved and works\.$/).waitFor()
  await me.press('Escape')

  await me.click(page.getByRole('link', { name: 'Workflows' }))
  await me.click(button('New workflow').first())
  await me.type(page.getByRole('dialog').getByLabel(/^Name/), 'Mine')
  await me.click(button('Create workflow'))
  await me.click(button('Add step').first())
  await page.getByRole('dialog').locator('[role=combobox]:focus').waitFor()
  await me.type(null, 'sqlite_query')
  await me.press('Enter')
  await me.type(page.getByRole('textbox', { name: /^sql/i }).first(), 'select count(*) as orders from orders')
  await page.getByText('No problems').or(page.getByText('Nothing is wrong with this draft.')).first().waitFor()
  expect(await axe(page)).toEqual([])
  await me.click(button(/^Publish …/))
  await me.click(button(/^Publish version 1/))
  await me.click(button(/^Run …/))
  await me.click(button('Start run'))
  await page.waitForURL(/\/runs\/wf_/)
  await page.locator('main').getByText('Completed', { exact: true }).first().waitFor()
  await page.getByText('"orders":').first().waitFor()

  process.stderr.write(
    `first run: ${untilAnswer.acts} acts and ${untilAnswer.seconds.toFixed(0)} s of a person to the first answer; ${me.acts} and ${me.seconds.toFixed(0)} s in all\n`,
  )
  expect(me.seconds).toBeLessThanOrEqual(MOST_SECONDS)
  expect(watched.wrong.join('\n')).toBe('')
  expect(browser.refused).toEqual([]) // nothing from anywhere else
})
