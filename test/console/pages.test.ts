/** Every page, in both themes and two widths: axe finds nothing, the policy and the console are quiet, and a picture is taken. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { browserOrSkip, type TestBrowser } from '../fakes/browser.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { ended, graphOf } from '../walks/acts.ts'
import { axe, ownersPage, picture, settled, type Watch, watch } from './kit.ts'

let rt: TestRuntime
let browser: TestBrowser | undefined
let page: Page
let watched: Watch
/** Addresses that are known once there is something to show. */
const at: Record<string, string> = {}

beforeAll(async () => {
  rt = await runtime({ demo: true })
  await rt.session()
  const { items: instances } = await rt.ok('GET', '/v1/mcp/instances')
  const { items: workflows } = await rt.ok('GET', '/v1/workflows')
  const { items: runs } = await rt.ok('GET', '/v1/runs')
  await ended(rt, workflows[0].id, runs[0].run_id)
  at.run = `/runs/${workflows[0].id}/${runs[0].run_id}`
  at.instance = `/mcp/instances/${instances[0].id}`
  at.workflow = `/workflows/${workflows[0].id}`
  // One that fails, and connections in several states.
  const broken = await rt.ok('POST', '/v1/workflows', {
    name: 'Late report',
    graph: graphOf([
      { id: 'ask', instance_id: instances[0].id, tool_name: 'sqlite_query', tool_args: { sql: 'select no_such_column from orders' } },
    ]),
  })
  await rt.ok('POST', `/v1/workflows/${broken.id}/versions`, {})
  const { run_id } = await rt.ok('POST', `/v1/workflows/${broken.id}/command`, { command: 'start' })
  await ended(rt, broken.id, run_id)
  at.failed = `/runs/${broken.id}/${run_id}`
  at.hook = (await rt.ok('POST', '/v1/inbound-webhooks', { workflow_id: workflows[0].id, name: 'Shop orders' })).subscription.id
  const made = await rt.ok('POST', '/v1/connections', {
    display_name: 'Orders API',
    provider: 'http',
    service: 'bearer',
    credentials: { api_key: 'a-key-that-is-nobodys-1234567890' },
  })
  at.connection = `/connections?c=${made.id}`
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await rt?.[Symbol.asyncDispose]()
})

const PAGES: [string, () => string][] = [
  ['home', () => '/'],
  ['connections', () => '/connections'],
  ['connections-filtered-empty', () => '/connections?status=reconnect'],
  ['connection', () => at.connection as string],
  ['connection-credential', () => `${at.connection}&tab=credential`],
  ['connection-activity', () => `${at.connection}&tab=activity`],
  ['connection-new', () => '/connections?new=pick'],
  ['connection-new-form', () => '/connections?new=github'],
  ['mcp', () => '/mcp'],
  ['mcp-catalog', () => '/mcp?tab=catalog'],
  ['mcp-server', () => '/mcp/postgres'],
  ['mcp-add', () => '/mcp?tab=catalog&add=http'],
  ['instance-checks', () => `${at.instance}?tab=checks`],
  ['instance-used', () => `${at.instance}?tab=used`],
  ['instance', () => at.instance as string],
  ['runs', () => '/runs'],
  ['run', () => at.run as string],
  ['run-failed', () => at.failed as string],
  ['run-events', () => `${at.run}?tab=events`],
  ['run-context', () => `${at.run}?tab=context`],
  ['settings', () => '/settings'],
  ['workflows', () => '/workflows'],
  ['workflow', () => at.workflow as string],
  ['workflow-json', () => `${at.workflow}?view=json`],
  ['settings-webhooks', () => '/settings?tab=webhooks'],
  ['settings-webhook', () => `/settings?tab=webhooks&hook=${at.hook}`],
  ['settings-account', () => '/settings?tab=account'],
  ['settings-members', () => '/settings?tab=members'],
  ['settings-oauth', () => '/settings?tab=oauth'],
  ['settings-audit', () => '/settings?tab=audit'],
  ['settings-about', () => '/settings?tab=about'],
  ['missing', () => '/no/such/page'],
]

/** Some sixty pages, one after the other. */
const PAGES_MS = 600_000
describe.each(['light', 'dark'] as const)('%s', (theme) => {
  it(
    '[console.axe] every page has no fault that axe finds, and breaks no rule of the policy',
    async (ctx) => {
      browser ??= await browserOrSkip(ctx)
      page ??= await ownersPage(browser, rt)
      watched ??= watch(page)
      await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
      const found: string[] = []
      for (const [name, address] of PAGES)
        for (const width of [1280, 400]) {
          await page.setViewportSize({ width, height: 800 })
          await page.goto(rt.url + address())
          await settled(page)
          found.push(...(await axe(page, 'this')).map((it) => `${name} (${width}): ${it}`))
          const wide = (await page.evaluate('document.documentElement.scrollWidth')) as number
          if (wide > width) found.push(`${name} (${width}): scrolls sideways, ${wide}`)
          await picture(page, `${name}-${theme}-${width}`)
        }
      expect(found.join('\n')).toBe('')
      expect(watched.wrong.join('\n')).toBe('')
      expect(browser.refused).toEqual([])
    },
    PAGES_MS,
  )
})

it('axe is really asked: a button without a name is found', async (ctx) => {
  browser ??= await browserOrSkip(ctx)
  page ??= await ownersPage(browser, rt)
  await page.goto(`${rt.url}/runs`)
  await settled(page)
  await page.evaluate("document.querySelector('main').append(document.createElement('button'))")
  expect(await axe(page)).toEqual([expect.stringContaining('button-name')])
})

it('[console.budget] the shell, which every page needs, is 130 KiB at most', () => {
  const dist = join(import.meta.dirname, '..', '..', 'console', 'dist')
  const files = [...readFileSync(join(dist, 'index.html'), 'utf8').matchAll(/"\/(assets\/[^"]+\.js)"/g)].map(([, file]) => file as string)
  expect(files.length).toBeGreaterThan(1)
  const size = files.reduce((sum, file) => sum + statSync(join(dist, `${file}.gz`)).size, 0)
  expect(size).toBeLessThanOrEqual(130 * 1024)
})

it('[console.early] what a page asks for before its program is there is what the program wants first, and is used', async (ctx) => {
  browser ??= await browserOrSkip(ctx)
  page ??= await ownersPage(browser, rt)
  for (const path of ['/', '/connections', '/mcp', '/runs', '/settings']) {
    await page.goto(rt.url + path)
    await settled(page)
    expect(await page.evaluate('Object.keys(globalThis.early)'), path).toEqual([])
  }
})
