/** Runs in the browser: they move while one looks, a cut stream loses nothing, a failed one opens at its cause. */
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { browserOrSkip, type TestBrowser } from '../fakes/browser.ts'
import { replies, startGithub, tokens } from '../fakes/github.ts'
import type { Stub } from '../fakes/stub.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { connected, ended, events, published, start } from '../walks/acts.ts'
import { startWire, type Wire } from '../faults/relay.ts'
import { SENDERS, type Sender } from '../fakes/senders.ts'
import { delivery, hooked, knock } from '../walks/knocks.ts'
import { axe, ownersPage, settled, signIn, type Watch, watch } from './kit.ts'

let rt: TestRuntime
let github: Stub
let browser: TestBrowser | undefined
let page: Page
let watched: Watch
let hub = ''
let connection = ''

beforeAll(async () => {
  github = await startGithub()
  rt = await runtime({ allowPrivate: [github.url] })
  const made = await connected(rt, { provider: 'github', credentials: { api_key: tokens.classic }, config: { api_base: github.url } })
  hub = made.instance
  connection = made.connection
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await rt?.[Symbol.asyncDispose]()
  await github?.close()
})
afterEach(() => github.reset())

async function open(ctx: Parameters<typeof browserOrSkip>[0]): Promise<Page> {
  browser ??= await browserOrSkip(ctx)
  page ??= await ownersPage(browser, rt)
  watched ??= watch(page)
  return page
}
const look = (id: string, more: Record<string, unknown> = {}) => ({
  id,
  instance_id: hub,
  tool_name: 'get_user',
  tool_args: { username: 'octocat' },
  ...more,
})

it('[console.run-live] a run moves while one looks at it, and a list tells what is new without moving', async (ctx) => {
  const at = await open(ctx)
  const workflow = await published(rt, 'Slow look', [look('first'), look('second', { depends_on: ['first'] })])
  await at.goto(`${rt.url}/runs`)
  await settled(at)
  await at.getByText('Live', { exact: true }).waitFor()
  github.next({ kind: 'slow' })
  const arrived = github.arrived()
  const { run_id } = await start(rt, workflow)
  await arrived
  // Nothing has moved: what is new is counted, and comes when it is asked for.
  await at.getByRole('button', { name: '1 new run' }).click()
  await at.getByRole('link', { name: 'Slow look' }).click()
  await at.getByRole('heading', { name: 'Slow look' }).waitFor()
  const status = at.locator('main').getByText('Running', { exact: true }).first()
  await status.waitFor()
  github.release()
  await at.locator('main').getByText('Completed', { exact: true }).first().waitFor()
  expect(at.url()).toBe(`${rt.url}/runs/${workflow}/${run_id}`)
  expect(await axe(at)).toEqual([])
})

it('[console.run-stream] a stream that is cut and comes back loses no event and doubles none', async (ctx) => {
  await open(ctx)
  const workflow = await published(rt, 'Cut', [look('one'), look('two', { depends_on: ['one'] }), look('three', { depends_on: ['two'] })])
  github.next({ kind: 'slow' })
  const arrived = github.arrived()
  const { run_id } = await start(rt, workflow)
  await arrived
  const wire = await startWire({ host: '127.0.0.1', port: Number(new URL(rt.url).port) })
  const elsewhere = await browser!.stranger()
  try {
    await follow(elsewhere, { ...rt, url: `http://127.0.0.1:${wire.port}` }, workflow, run_id, wire)
  } finally {
    await elsewhere.close()
    await wire.close()
  }
})

async function follow(at: Page, there: TestRuntime, workflow: string, run_id: string, wire: Wire): Promise<void> {
  await signIn(at, there)
  await at.goto(`${there.url}/runs/${workflow}/${run_id}?tab=events`)
  await settled(at)
  await at.locator('main ol > li').first().waitFor()
  await at.getByText('Live', { exact: true }).waitFor()
  wire.cut()
  await at.getByText('Reconnecting', { exact: true }).waitFor()
  await at.getByText('The server does not answer. What you see is from').waitFor()
  expect(await axe(at)).toEqual([])
  github.release()
  await ended(rt, workflow, run_id)
  wire.mend()
  const all = await events(rt, workflow, run_id)
  const shown = () => at.locator('main ol > li > span:first-child').allTextContents()
  await until(async () => (await shown()).length === all.length, 'all events to be shown')
  expect((await shown()).map(Number)).toEqual(all.map((e) => e.seq))
  await at.getByText('Live', { exact: true }).waitFor()
}

it('[console.run-failed] a failed run opens at its failing step, with the way to mend it', async (ctx) => {
  const at = await open(ctx)
  const again = await published(rt, 'Refused later', [look('refused')])
  github.next({ kind: 'reply', reply: replies.status(401, 'Bad credentials') })
  const failed = await start(rt, again)
  await ended(rt, again, failed.run_id)
  await at.goto(`${rt.url}/runs/${again}/${failed.run_id}`)
  await settled(at)
  const card = at.getByRole('alert')
  await card.getByText('CREDENTIAL_REJECTED').waitFor()
  await at.getByRole('heading', { name: 'refused', exact: true }).waitFor()
  await card.getByRole('link', { name: 'Fix the connection' }).click()
  await at.waitForURL(`${rt.url}/connections?c=${connection}`)
  // The vendor takes it again; the run goes on from where it failed.
  await rt.ok('PATCH', `/v1/connections/${connection}`, { credentials: { api_key: tokens.classic } })
  await at.goto(`${rt.url}/runs/${again}/${failed.run_id}`)
  await at.getByRole('button', { name: 'Retry from here' }).click()
  await at.locator('main').getByText('Completed', { exact: true }).first().waitFor()
})

it('[console.run-secret] a run says that a secret came with its input, and where, and not which', async (ctx) => {
  const at = await open(ctx)
  const workflow = await published(rt, 'Knocked at', [look('once')])
  const hook = await hooked(rt, workflow, SENDERS.find((it) => it.scheme === 'github') as Sender)
  const body = JSON.stringify({ note: `see ${hook.secret}`, token: `ghp_${'a1B2c3D4e5'.repeat(4)}` })
  const { run_id } = (await knock(rt, hook.path, delivery(hook, { body }))).body
  await ended(rt, workflow, run_id)
  await at.goto(`${rt.url}/runs/${workflow}/${run_id}`)
  await settled(at)
  const said = at.getByRole('region', { name: 'A secret came with the input' })
  await said.getByText('A secret that is stored here was taken out of input.note.').waitFor()
  await said.getByText('input.token holds what looks like a GitHub token. Whoever sent it should change it.').waitFor()
  expect(await at.content()).not.toContain(hook.secret)
  expect(await axe(at)).toEqual([])
})

it('[console.run-steered] a run is stopped from its page, by keyboard alone', async (ctx) => {
  const at = await open(ctx)
  const workflow = await published(rt, 'Endless', [look('wait'), look('never', { depends_on: ['wait'] })])
  github.next({ kind: 'slow' })
  const arrived = github.arrived()
  const { run_id } = await start(rt, workflow)
  await arrived
  await at.goto(`${rt.url}/runs/${workflow}/${run_id}`)
  await settled(at)
  const stop = at.getByRole('button', { name: 'Stop…' })
  await stop.focus()
  await at.keyboard.press('Enter')
  const now = at.getByRole('button', { name: 'Stop now' })
  await now.waitFor()
  expect(await axe(at)).toEqual([])
  // The dialog takes the focus when it has opened; a key before that is the page's.
  await at.locator('[role="dialog"] :focus, [role="alertdialog"] :focus').waitFor()
  const isThere = async () => (await now.and(at.locator(':focus')).count()) === 1
  for (let i = 0; i < 6 && !(await isThere()); i++) await at.keyboard.press('Tab')
  expect(await isThere()).toBe(true)
  await at.keyboard.press('Enter')
  await now.waitFor({ state: 'detached' })
  await at.locator('main').getByText('Cancelled', { exact: true }).first().waitFor()
  github.release()
  expect(watched.wrong).toEqual([])
  expect(browser?.refused).toEqual([])
})
