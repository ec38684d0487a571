/** The rotate wizard in a real browser: four steps that go well, trouble in the middle, a key that may have leaked, the keyboard alone. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { browserOrSkip, type TestBrowser } from '../fakes/browser.ts'
import { type KeyedApi, startKeyedApi } from '../fakes/keyed-api.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { hits } from '../walks/canary.ts'
import { axe, ownersPage, picture, settled, type Watch, watch } from './kit.ts'

let rt: TestRuntime
let api: KeyedApi
let browser: TestBrowser | undefined
let page: Page
let watched: Watch
const received: [string, Buffer][] = []
const hosts = new Set<string>()
let n = 0

beforeAll(async () => {
  api = await startKeyedApi()
  rt = await runtime({ allowPrivate: [api.url] })
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await rt?.[Symbol.asyncDispose]()
  await api?.[Symbol.asyncDispose]()
})
beforeEach(async (ctx) => {
  browser ??= await browserOrSkip(ctx)
  api.requests.length = 0
  if (page) return
  page = await ownersPage(browser, rt)
  // What a journey provokes: a key that is in use already, and a connection that was never rotated.
  watched = watch(page, [404, 409])
  page.on('request', (request) => hosts.add(new URL(request.url()).host))
  page.on('response', (response) => {
    response.body().then(
      (bytes) => received.push([response.url(), bytes]),
      () => undefined,
    )
  })
})

interface Scene {
  id: string
  name: string
  key: string
  next: string
  instances: string[]
  workflow: string
}
/** A connection that is bound to instances, the last of which may have a check that fails. */
async function scene(checks: readonly string[] = ['/me']): Promise<Scene> {
  const name = `Keyed ${++n}`
  const key = `old-key-${n}-of-the-wizard-k9Qd`
  const next = `new-key-${n}-of-the-wizard-Zt4e`
  for (const it of [key, next]) api.accepts.set(it, 'acme')
  const { id } = await rt.ok('POST', '/v1/connections', {
    display_name: name,
    provider: 'http',
    service: 'bearer',
    credentials: { api_key: key },
  })
  const instances: string[] = []
  for (const [i, check_path] of checks.entries())
    instances.push(
      (
        await rt.ok('POST', '/v1/mcp/instances', {
          slug: 'http',
          name: `${name} at ${i + 1}`,
          connection_id: id,
          config: { base_url: api.url, check_path },
        })
      ).id,
    )
  const step = {
    id: 'use',
    type: 'mcp_call',
    instance_id: instances[0],
    tool_name: 'http_request',
    tool_args: { method: 'GET', path: '/used' },
  }
  const { id: workflow } = await rt.ok('POST', '/v1/workflows', { name: `Uses ${name}`, graph: { steps: [step] } })
  await rt.ok('POST', `/v1/workflows/${workflow}/versions`, {})
  return { id, name, key, next, instances, workflow }
}
async function run(s: Scene): Promise<string | undefined> {
  const before = api.requests.length
  const { run_id } = await rt.ok('POST', `/v1/workflows/${s.workflow}/command`, { command: 'start', params: {} })
  await until(
    async () => (await rt.ok('GET', `/v1/workflows/${s.workflow}/runs/${run_id}/summary`)).status === 'completed',
    'the run to end',
  )
  return api.requests.slice(before).find((r) => r.path === '/used')?.key
}
const dialog = () => page.locator('[role=dialog][data-open]:not([aria-modal=false])')
const button = (name: string | RegExp) => dialog().getByRole('button', { name })
const heading = (name: string | RegExp) => dialog().getByRole('heading', { name, level: 3 })
const focusedTag = () => page.evaluate('document.activeElement?.tagName') as Promise<string>
const open = async (s: Scene) => {
  await page.goto(`${rt.url}/connections?c=${s.id}`)
  await settled(page)
  await button('Rotate key …').click()
  await heading('Save the new credential').waitFor()
}
const rotation = (s: Scene) => rt.ok('GET', `/v1/connections/${s.id}/rotation`)

it('[console.rotate] four steps: a run before the switch uses the old key, one after it the new, and the old one is gone in the end', async () => {
  const s = await scene()
  await open(s)
  expect(await axe(page)).toEqual([])
  // The key that is in use is no new one, and is told at the field.
  await dialog().getByLabel(/^Key/).fill(s.key)
  await button('Save and validate').click()
  await dialog().getByText('That is the one already in use.').waitFor()
  expect(await axe(page)).toEqual([])
  await dialog().getByLabel(/^Key/).fill(s.next)
  await button('Save and validate').click()
  await heading(/^The new credential ••••Zt4e/).waitFor()
  await expect.poll(focusedTag).toBe('H3')
  await dialog().getByText('1 of 1 passed').waitFor()
  expect(page.url()).toContain(`rotate=${(await rotation(s)).rotation_id}`)
  expect(await axe(page)).toEqual([])
  expect(await run(s)).toBe(s.key)

  await button('Continue').click()
  await heading('Use the new credential for once').waitFor()
  expect(await axe(page)).toEqual([])
  await dialog().getByRole('radio', { name: 'Run a workflow' }).check()
  await button('Run the test').click()
  await dialog().getByText('The run went well, with one call on the new credential.').waitFor()
  expect(api.requests.filter((r) => r.path === '/used').map((r) => r.key)).toEqual([s.key, s.next])
  expect(await axe(page)).toEqual([])
  await button('Continue').click()
  await heading(/^Switch to the new credential/).waitFor()
  expect(await run(s)).toBe(s.key)
  expect(await axe(page)).toEqual([])
  await picture(page, 'rotate-switch')
  await button('Switch now').click()
  await heading(/^Switched/).waitFor()
  await dialog().getByText('Since then nothing has used the old one.').waitFor()
  expect(await run(s)).toBe(s.next)
  expect(await axe(page)).toEqual([])
  await picture(page, 'rotate-switched')

  expect(await button(/^Finish:/).isDisabled()).toBe(true)
  await dialog().getByLabel('I have revoked it there').check()
  api.accepts.delete(s.key)
  await button(/^Finish:/).click()
  await dialog().getByText('The rotation is finished. Only the new credential ••••Zt4e is left.').waitFor()
  expect(await axe(page)).toEqual([])
  const [download] = await Promise.all([page.waitForEvent('download'), button('Download the record').click()])
  expect(download.suggestedFilename()).toMatch(/^rot_.*\.json$/)
  const done = await rotation(s)
  expect(done).toMatchObject({ state: 'finished', revoked_at_provider: 'confirmed', old: { calls: 0 } })
  expect(done.old.destroyed_at).not.toBeNull()
  expect(await run(s)).toBe(s.next)
  await button('Close').first().click()
  await dialog().getByRole('tab', { name: 'Activity' }).click()
  await dialog().getByText('Rotation finished').waitFor()
})

it('[console.rotate-trouble] one of two instances fails: a reload goes on at step 2, it is left out, switched, and rolled back in time', async () => {
  const s = await scene(['/me', '/fails'])
  await open(s)
  await dialog().getByLabel(/^Key/).fill(s.next)
  await button('Save and validate').click()
  await dialog().getByText('1 of 2 passed').waitFor()
  expect(await button('Continue').isDisabled()).toBe(true)
  expect(await axe(page)).toEqual([])
  await picture(page, 'rotate-validate')
  await page.reload()
  await settled(page)
  await heading(/^The new credential/).waitFor()
  await dialog().getByText('1 of 2 passed').waitFor()
  await dialog().getByLabel('Continue although one of them fails').check()
  expect(await button('Continue').isDisabled()).toBe(false)
  await button(`Leave it on the old one: ${s.name} at 2`).click()
  await dialog().getByText('1 of 1 passed').waitFor()
  await dialog().getByText('stays on the old one').waitFor()
  expect(await axe(page)).toEqual([])

  // Somebody else sees that it is under way, and where.
  await button('Finish later').click()
  const { user } = await rt.ok('GET', '/v1/me')
  await dialog().getByText(`${user.name} is rotating: the new credential is validated.`).waitFor()
  expect(await axe(page)).toEqual([])
  await page.keyboard.press('Escape')
  await page.getByRole('table', { name: 'Connections' }).getByRole('row').filter({ hasText: s.name }).getByText('Rotating').waitFor()
  await page.goto(rt.url)
  await settled(page)
  const waiting = page
    .getByRole('listitem')
    .filter({ hasText: `“${s.name}” is being rotated by ${user.name}: the new credential is validated.` })
  await waiting.getByText('The new one is dropped:').waitFor()
  expect(await axe(page)).toEqual([])
  await picture(page, 'rotate-waits-in-home')
  await waiting.getByRole('link', { name: 'Continue' }).click()
  await heading('Use the new credential for once').waitFor()
  await dialog().getByRole('radio', { name: 'Skip the test' }).check()
  await dialog().getByLabel(/^Why/).fill('no test in this journey')
  await button('Skip it').click()
  await heading(/^Switch to the new credential/).waitFor()
  await button('Switch now').click()
  await heading(/^Switched/).waitFor()
  await dialog().getByText(`Still on the old one: ${s.name} at 2.`, { exact: false }).waitFor()
  expect(await run(s)).toBe(s.next)
  expect(await axe(page)).toEqual([])
  const toast = page.getByText('Rolled back. The old credential serves again', { exact: false }).first().waitFor()
  await button('Roll back').click()
  await toast
  expect(await run(s)).toBe(s.key)
  expect(await rotation(s)).toMatchObject({ state: 'rolled_back' })
})

it('[console.rotate-leaked] a key that may have leaked is switched in two clicks after the paste, and what was typed is never lost by accident', async () => {
  const s = await scene()
  await open(s)
  await dialog().getByRole('radio', { name: 'It may have leaked' }).check()
  await dialog().getByLabel(/^Key/).fill(s.next)
  // Leaving asks first, because something is typed.
  await page.keyboard.press('Escape')
  await dialog().getByText('What you typed is not saved.').waitFor()
  expect(await axe(page)).toEqual([])
  await button('Go on typing').click()
  expect(await dialog().getByLabel(/^Key/).inputValue()).toBe(s.next)
  await button('Save and validate').click()
  await heading(/^Switch to the new credential/).waitFor()
  await button('Switch now').click()
  await heading(/^Switched/).waitFor()
  await dialog().getByText('The old credential ••••k9Qd is destroyed here.').waitFor()
  expect(await button('Roll back').count()).toBe(0)
  expect(await run(s)).toBe(s.next)
  expect(await rotation(s)).toMatchObject({ state: 'switched', reason: 'leaked' })
  expect(await axe(page)).toEqual([])
  await dialog().getByLabel('I have revoked it there').check()
  await button(/^Finish$/).click()
  await dialog().getByText('The rotation is finished.', { exact: false }).waitFor()
})

it('[console.rotate-keyboard] the whole of it by keyboard alone', async () => {
  const s = await scene()
  await page.goto(`${rt.url}/connections`)
  await settled(page)
  const link = page.getByRole('table', { name: 'Connections' }).getByRole('link', { name: s.name })
  await link.focus()
  await page.keyboard.press('r')
  await heading('Save the new credential').waitFor()
  /** Tab until what has the focus is called so. */
  const reach = async (name: RegExp) => {
    for (let i = 0; i < 40; i++) {
      const label = (await page.evaluate(`(() => {
        const at = document.activeElement
        return at?.getAttribute('aria-label') || at?.labels?.[0]?.textContent || at?.textContent || ''
      })()`)) as string
      if (name.test(label.trim())) return
      await page.keyboard.press('Tab')
    }
    throw new Error(`the keyboard does not reach ${name}`)
  }
  await reach(/^Key/)
  await page.keyboard.type(s.next)
  await page.keyboard.press('Enter')
  await dialog().getByText('1 of 1 passed').waitFor()
  await reach(/^Continue$/)
  await page.keyboard.press('Enter')
  await heading('Use the new credential for once').waitFor()
  await reach(/^Run a workflow$/)
  await reach(/^Run the test$/)
  await page.keyboard.press('Enter')
  await dialog().getByText('The run went well', { exact: false }).waitFor()
  await reach(/^Continue$/)
  await page.keyboard.press('Enter')
  await heading(/^Switch to the new credential/).waitFor()
  await reach(/^Switch now$/)
  await page.keyboard.press('Enter')
  await heading(/^Switched/).waitFor()
  await reach(/^I have revoked it there$/)
  await page.keyboard.press('Space')
  await reach(/^Finish: destroy the old one$/)
  await page.keyboard.press('Enter')
  await dialog().getByText('The rotation is finished.', { exact: false }).waitFor()
  await reach(/^Close$/)
  await page.keyboard.press('Enter')
  expect(await run(s)).toBe(s.next)
})

it('[console.burn] what would stop is said before a credential is burned, and what it was for is in Reconnect afterwards', async () => {
  const s = await scene()
  await page.goto(`${rt.url}/connections?c=${s.id}`)
  await settled(page)
  await dialog().getByText('it is revoked', { exact: true }).click()
  await dialog()
    .getByText(/^use in production: .*must be connected again/)
    .waitFor()
  expect(await axe(page)).toEqual([])
  await picture(page, 'what-if')
  await button('Burn …').click()
  await page.getByText('One workflow will not start until it has a new credential.').waitFor()
  expect(await axe(page)).toEqual([])
  await picture(page, 'burn')
  await page.getByLabel(/^Why/).fill('it was in a public log')
  const toast = page.getByText(`${s.name} is burned.`).first().waitFor()
  await page.getByRole('button', { name: 'Burn it now' }).click()
  await toast
  await dialog().getByText('Its credential was burned', { exact: false }).waitFor()
  expect(await rt.ok('GET', `/v1/connections/${s.id}`)).toMatchObject({ status: 'reconnect', status_reason: 'burned' })
  expect(await axe(page)).toEqual([])
})

it('[console.rotate] whatever the browser holds and whatever it was sent: no key is in it, nobody else was asked, and nothing went wrong', async () => {
  const kept = (await page.evaluate(`JSON.stringify([document.documentElement.outerHTML, { ...localStorage }, { ...sessionStorage },
    history.state, location.href, [...document.querySelectorAll('input')].map((i) => i.value)])`)) as string
  const secrets = Object.fromEntries([...api.accepts.keys()].map((key) => [key.slice(0, 9), key]))
  expect(Object.keys(secrets).length).toBeGreaterThan(3)
  expect(received.length).toBeGreaterThan(50)
  expect(hits(secrets, [['the browser', Buffer.from(kept)], ...received])).toEqual([])
  expect([...hosts]).toEqual([new URL(rt.url).host])
  expect(watched.wrong).toEqual([])
})
