/** Workflows in a real browser: built, mended, published and run without a mouse; two editors of one draft; the draft as text. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { browserOrSkip, type TestBrowser } from '../fakes/browser.ts'
import { tokens } from '../fakes/github.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { ended } from '../walks/acts.ts'
import { newcomer, owner, PASSWORD } from '../walks/person.ts'
import { axe, ownersPage, settled, signIn, type Watch, watch } from './kit.ts'

const ASSETS = join(import.meta.dirname, '..', '..', 'console', 'dist', 'assets')
/** Scripts of a page as they are sent, in KiB: on a slow line this is what one waits for. */
const LIST_KIB = 220
const EDITOR_KIB = 350
/** More stops than any page of ours has. */
const MAX_TABS = 120

/** A journey is some hundred keys, each of which the page answers; a machine under load gets more than it needs. */
const JOURNEY_MS = 120_000
vi.setConfig({ testTimeout: JOURNEY_MS })

let rt: TestRuntime
let browser: TestBrowser | undefined
let page: Page
let watched: Watch
let shop = ''

beforeAll(async () => {
  rt = await runtime({ demo: true })
  shop = (await rt.ok('GET', '/v1/mcp/instances')).items[0].id
})
beforeEach(async (ctx) => {
  if (browser) return
  browser = await browserOrSkip(ctx)
  page = await ownersPage(browser, rt)
  // Refusals that these journeys provoke.
  watched = watch(page, [409, 422])
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await rt?.[Symbol.asyncDispose]()
})

/** Tab until the control of that name has the focus: whoever has no mouse gets there too. */
async function tabTo(name: string | RegExp, back = false): Promise<void> {
  const passed: string[] = []
  for (let i = 0; i < MAX_TABS; i++) {
    await page.keyboard.press(back ? 'Shift+Tab' : 'Tab')
    const at = (await page.evaluate(`(() => {
      const it = document.activeElement
      const label = it?.getAttribute('aria-labelledby')?.split(' ').map((id) => document.getElementById(id)?.textContent).join(' ')
      return (it?.getAttribute('aria-label') ?? label ?? it?.labels?.[0]?.textContent ?? it?.textContent ?? '').trim()
    })()`)) as string
    if (typeof name === 'string' ? at === name : name.test(at)) return
    passed.push(at.slice(0, 30))
  }
  throw new Error(`Tab never came to ${name}, only to: ${passed.join(' | ')}`)
}
const step = (id: string, sql: string, more: object = {}) => ({
  id,
  type: 'mcp_call',
  instance_id: shop,
  tool_name: 'sqlite_query',
  tool_args: { sql },
  ...more,
})
const make = async (name: string, steps: unknown[]): Promise<{ id: string; updated_at: string }> =>
  rt.ok('POST', '/v1/workflows', { name, graph: { steps } })
const stored = async (id: string) => (await rt.ok('GET', `/v1/workflows/${id}`)).graph.steps
const open = async (path: string): Promise<void> => {
  await page.goto(rt.url + path)
  await settled(page)
}
const clean = () => page.getByText('Nothing is wrong with this draft.').waitFor()

describe('without a mouse', () => {
  it('[console.workflow-journey] a workflow is built, a wrong template is seen and mended, and what was published runs', async () => {
    await open('/workflows')
    expect(await axe(page)).toEqual([])
    await tabTo('New workflow')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.type('Best product')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Best product', level: 1 }).waitFor()

    await tabTo('Add step')
    await page.keyboard.press('Enter')
    await page
      .getByRole('option', { name: /sqlite_query/ })
      .first()
      .waitFor()
    expect(await axe(page)).toEqual([])
    await page.keyboard.type('demo query')
    await page.keyboard.press('Enter')
    // The cursor is in the first argument of the new step.
    await page.locator('[data-path="tool_args.sql"] .cm-content:focus').waitFor()
    await page.keyboard.type('select product from orders order by id limit 1')

    await tabTo('Add step', true)
    await page.keyboard.press('Enter')
    await page
      .getByRole('option', { name: /sqlite_query/ })
      .first()
      .waitFor()
    await page.keyboard.type('sqlite_query')
    await page.keyboard.press('Enter')
    const sql = page.locator('[data-path="tool_args.sql"] .cm-content')
    await until(
      async () => (await page.locator('[data-path="tool_args.sql"] .cm-content:focus').allTextContents()).join() === '',
      'an empty field',
    )
    await page.getByRole('region', { name: 'Step query_2' }).locator('.cm-content:focus').waitFor()
    await page.keyboard.type("select '{{")
    // Values are offered by the name of the step.
    await page
      .getByRole('option', { name: /query · result/ })
      .first()
      .waitFor()
    await page.keyboard.type('steps.query.result.row')
    await page
      .getByRole('option', { name: /row_count/ })
      .first()
      .waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.type(".0.product}}' as best")
    await page.getByText('“row” is not a field of “result”. Did you mean “rows”?').first().waitFor()
    expect(await axe(page)).toEqual([])
    await tabTo('Fix')
    await page.keyboard.press('Enter')
    await until(async () => (await sql.textContent())?.includes('result.rows.0.product'), 'the mended template')
    await clean()

    await page.keyboard.press('Control+s')
    await page.getByText('The draft is saved.').waitFor()
    await tabTo('Publish …', true)
    await page.keyboard.press('Enter')
    await page.getByRole('list', { name: 'What changes' }).getByText('New step').first().waitFor()
    await page.getByLabel('Note').waitFor()
    expect(await axe(page)).toEqual([])
    await page.keyboard.type('The first one')
    await page.keyboard.press('Enter')
    await page.getByText('Version 1 is live.').waitFor()

    await page.keyboard.press('Control+Enter')
    await page.getByRole('dialog', { name: 'Run workflow' }).waitFor()
    expect(await axe(page)).toEqual([])
    await tabTo('Start run')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/runs\/wf_[^/]+\/run_/)
    const [, workflow, run] = /\/runs\/(wf_[^/]+)\/(run_[^/?]+)/.exec(page.url()) ?? []
    expect(await ended(rt, workflow as string, run as string)).toMatchObject({ status: 'completed', version: 1 })
    const { steps } = await rt.ok('GET', `/v1/workflows/${workflow}/runs/${run}/context`)
    expect(steps.query_2.result.rows[0].best).toBe(steps.query.result.rows[0].product)
    expect((await stored(workflow as string))[1]).toMatchObject({ id: 'query_2', depends_on: ['query'] })
    expect(watched.wrong).toEqual([])
  })

  it('[console.workflow-journey] steps are moved, copied and deleted in the outline, and come back', async () => {
    const { id } = await make('Handy', [
      step('a', 'select 1'),
      step('b', 'select 2', { depends_on: ['a'] }),
      step('c', 'select 3', { depends_on: ['b'] }),
    ])
    await open(`/workflows/${id}?step=b`)
    const outline = page.getByRole('listbox', { name: 'Steps' })
    const shown = async () => (await outline.getByRole('option').allTextContents()).map((text) => text.replace(/Demo shop.*/, ''))
    await outline.getByRole('option', { name: 'b' }).first().focus()
    await page.keyboard.press('Delete')
    await until(async () => (await shown()).join() === 'a,c', 'b to be gone')
    await page.getByRole('button', { name: 'Undo' }).last().click()
    await until(async () => (await shown()).join() === 'a,b,c', 'b to be back')
    await outline.getByRole('option', { name: 'c' }).first().focus()
    await page.keyboard.press('Alt+ArrowUp')
    await until(async () => (await shown()).join() === 'a,c,b', 'c before b')
    await page.keyboard.press('Control+d')
    await until(async () => (await shown()).join() === 'a,c,c_2,b', 'a copy of c')
    for (let i = 0; i < 2; i++) await page.keyboard.press('Control+z')
    await until(async () => (await shown()).join() === 'a,b,c', 'everything as it was')
    await page.getByText('Draft saved').waitFor()
    expect(watched.wrong).toEqual([])
  })

  it('[console.workflow-journey] a value of a step that does not come before is picked, and the step waits for it', async () => {
    const { id } = await make('Picked', [step('a', 'select 1'), step('b', 'select 2')])
    await open(`/workflows/${id}?step=b`)
    const sql = page.locator('[data-path="tool_args.sql"] .cm-content')
    await sql.focus()
    await page.keyboard.press('End')
    await page.keyboard.type(' + {{')
    await page.getByRole('option', { name: /a · row_count/ }).waitFor()
    await page.keyboard.type('row_c')
    await until(
      async () => (await page.getByRole('option').filter({ hasText: 'row_count' }).getAttribute('aria-selected')) === 'true',
      'the field',
    )
    await page.keyboard.press('Enter')
    await until(async () => (await sql.textContent()) === 'select 2 + {{steps.a.result.row_count}}', 'the template')
    expect(await page.getByRole('checkbox', { name: 'a', exact: true }).isChecked()).toBe(true)
    await clean()
    await page.keyboard.press('Control+s')
    await page.getByText('The draft is saved.').waitFor()
    expect((await stored(id))[1]).toMatchObject({ depends_on: ['a'], tool_args: { sql: 'select 2 + {{steps.a.result.row_count}}' } })
  })
})

describe('somebody who may only look', () => {
  it('[console.workflow-viewer] sees everything, is told why nothing can be changed, and is asked to change nothing', async () => {
    const { id } = await make('To be seen', [step('a', 'select 1')])
    const { project_id } = await rt.ok('GET', '/v1/me')
    const vera = await newcomer(rt, await owner(rt), 'vera', { project_id, project_role: 'project_viewer' })
    const seen = await (browser as TestBrowser).stranger()
    const quiet = watch(seen)
    await signIn(seen, rt, { email: vera.email, password: PASSWORD })
    await seen.goto(`${rt.url}/workflows/${id}?step=a`)
    await settled(seen)
    await seen.getByText('Changing and running them needs the role project contributor').waitFor()
    for (const name of ['Save', 'Run …', 'Publish …', 'Add step', 'Delete step'])
      expect(await seen.getByRole('button', { name }).isDisabled(), name).toBe(true)
    const sql = seen.locator('[data-path="tool_args.sql"] .cm-content')
    await sql.focus()
    await seen.keyboard.type('x')
    await seen.locator('[role="option"]').first().focus()
    await seen.keyboard.press('Delete')
    await seen.keyboard.press('Control+s')
    expect(await sql.textContent()).toBe('select 1')
    expect(await axe(seen)).toEqual([])
    await seen.goto(`${rt.url}/workflows`)
    await settled(seen)
    expect(await seen.getByRole('button', { name: 'New workflow' }).isDisabled()).toBe(true)
    expect(await axe(seen)).toEqual([])
    expect(quiet.wrong).toEqual([])
    await seen.close()
  })
})

describe('two editors', () => {
  it('[console.workflow-conflict] a stale save says so, shows what differs, and keeps what the person chooses', async () => {
    const { id } = await make('Contested', [step('a', 'select 1')])
    await open(`/workflows/${id}?step=a`)
    const sql = page.locator('[data-path="tool_args.sql"] .cm-content')
    const change = async (text: string) => {
      await sql.focus()
      await page.keyboard.press('Control+a')
      await page.keyboard.type(text)
    }
    await change('select 2')
    await rt.ok('PATCH', `/v1/workflows/${id}`, { graph: { steps: [step('a', 'select 3'), step('theirs', 'select 4')] } })
    await page.keyboard.press('Control+s')
    const dialog = page.getByRole('dialog', { name: 'Somebody else saved this draft' })
    await dialog.getByText('theirs', { exact: true }).waitFor()
    expect(await axe(page)).toEqual([])
    // Nothing has been lost on either side so far.
    expect(await stored(id)).toMatchObject([{ tool_args: { sql: 'select 3' } }, { id: 'theirs' }])
    await dialog.getByRole('button', { name: 'Keep mine' }).click()
    await dialog.waitFor({ state: 'hidden' })
    expect(await stored(id)).toMatchObject([{ tool_args: { sql: 'select 2' } }])

    await change('select 5')
    await rt.ok('PATCH', `/v1/workflows/${id}`, { graph: { steps: [step('a', 'select 6')] } })
    await page.keyboard.press('Control+s')
    await dialog.getByRole('button', { name: 'Take theirs' }).click()
    await until(async () => (await sql.textContent()) === 'select 6', 'the other draft')
    expect(await stored(id)).toMatchObject([{ tool_args: { sql: 'select 6' } }])

    // A draft that is not saved is not left without a word.
    await change('select 7')
    await page.getByRole('link', { name: 'Workflows' }).last().click()
    await page.getByRole('dialog', { name: 'Leave without saving?' }).getByRole('button', { name: 'Save and leave' }).click()
    await page.waitForURL(/\/workflows(\?|$)/)
    expect(await stored(id)).toMatchObject([{ tool_args: { sql: 'select 7' } }])
    expect(watched.wrong).toEqual([])
  })
})

describe('the draft as text', () => {
  it('[console.workflow-text] text that can be read applies, text that cannot keeps the last draft, and a key is refused at its place', async () => {
    const { id } = await make('As text', [step('a', 'select 1')])
    await open(`/workflows/${id}?view=json`)
    const text = page.getByRole('textbox', { name: 'Graph as JSON' })
    await text.focus()
    await page.keyboard.press('Control+a')
    await page.keyboard.insertText(
      JSON.stringify({ steps: [step('a', 'select 1'), step('later', '{{steps.a.result.row_count}}')] }, null, 2),
    )
    await page.getByText('“a” does not come before this step.').first().waitFor()
    expect(await axe(page)).toEqual([])
    await page.getByRole('button', { name: 'Fix' }).first().click()
    await clean()
    expect(await text.textContent()).toContain('"depends_on"')

    await text.focus()
    await page.keyboard.press('Control+End')
    await page.keyboard.type(' x')
    await page
      .getByText(/This is not JSON: line \d+, column \d+/)
      .first()
      .waitFor()
    await page.keyboard.press('Control+s')
    await page.getByText('Not saved', { exact: true }).waitFor()
    expect(await stored(id)).toHaveLength(1)
    await page.getByRole('tab', { name: 'Outline' }).click()
    await page.getByText('The JSON view holds text that cannot be read').waitFor()
    expect(await axe(page)).toEqual([])
    await page.getByRole('button', { name: 'Discard that text' }).click()
    await page.getByRole('option', { name: 'later' }).click()
    await page.keyboard.press('Control+s')
    await page.getByText('The draft is saved.').waitFor()
    expect(await stored(id)).toMatchObject([{ id: 'a' }, { id: 'later', depends_on: ['a'] }])

    await page.locator('[data-path="tool_args.sql"] .cm-content').focus()
    await page.keyboard.press('Control+a')
    await page.keyboard.insertText(`select '${tokens.classic}'`)
    await page
      .getByText(/holds what looks like/)
      .first()
      .waitFor()
    await page
      .getByText(/later › tool_args\.sql · SECRET_IN_GRAPH/)
      .first()
      .waitFor()
    await page.getByRole('option', { name: 'a' }).first().focus()
    // What is wrong is asked again while one types: a key pressed in between may find nothing to go to.
    await until(async () => {
      await page.keyboard.press('F8')
      return page
        .locator('[data-path="tool_args.sql"] .cm-content:focus')
        .waitFor({ timeout: 1_000 })
        .then(
          () => true,
          () => false,
        )
    }, 'F8 to lead to the key')
    await page.keyboard.press('Control+s')
    await page
      .getByRole('alert')
      .getByText(/holds what looks like/)
      .waitFor()
    const offer = page.getByRole('alert').getByRole('link', { name: 'Make it a connection' })
    expect(await offer.getAttribute('href')).toBe('/connections?new=pick')
    expect(JSON.stringify(await stored(id))).not.toContain(tokens.classic)
    expect(watched.wrong).toEqual([])
  })
})

it('[console.workflow-weight] the list stays light, and only the editor brings an editor for text', async () => {
  const { id } = await make('Weighed', [step('a', 'select 1')])
  const weigh = async (path: string, shows: string) => {
    const fresh = await page.context().newPage()
    const scripts = new Set<string>()
    fresh.on('request', (request) => {
      const name = /\/assets\/([^/?]+\.js)$/.exec(request.url())?.[1]
      if (name) scripts.add(name)
    })
    await fresh.goto(rt.url + path)
    await settled(fresh)
    await fresh.locator(shows).first().waitFor()
    await fresh.close()
    return [...scripts].reduce((sum, name) => sum + statSync(join(ASSETS, `${name}.gz`)).size, 0) / 1024
  }
  const list = await weigh('/workflows', 'table')
  const editor = await weigh(`/workflows/${id}?view=json`, '.cm-content')
  expect(list).toBeGreaterThan(50)
  expect(list).toBeLessThanOrEqual(LIST_KIB)
  expect(editor).toBeLessThanOrEqual(EDITOR_KIB)
  expect(editor - list).toBeGreaterThan(50) // what the list does without
})
