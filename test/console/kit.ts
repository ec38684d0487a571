/** For journeys in a browser: somebody signed in, what must not happen on any page, axe, and pictures to look at. */
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { vi } from 'vitest'
import type { TestBrowser } from '../fakes/browser.ts'
import { OWNER, type TestRuntime, until } from '../harness.ts'

/** A journey has many acts, each of which waits as long as it must; on a machine that is busy they add up. */
const JOURNEY_MS = 180_000
vi.setConfig({ testTimeout: JOURNEY_MS })

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** WCAG 2.2 A and AA, and what is good practice besides. */
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
export const PICTURES = join(import.meta.dirname, '..', '..', '.pictures')

/** What a page must never do, collected from all pages that are watched. */
export interface Watch {
  /** Errors on the console, exceptions, violations of the policy. */
  wrong: string[]
}
/** `fine`: statuses that a test provokes, which browsers report as errors of their own. */
export function watch(page: Page, fine: readonly number[] = []): Watch {
  const wrong: string[] = []
  page.on('pageerror', (error) => wrong.push(`exception: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return
    if (fine.some((status) => message.text().includes(`status of ${status}`))) return
    wrong.push(`${message.type()}: ${message.text()} (${message.location().url})`)
  })
  return { wrong }
}

/** The owner, signed in by the form. */
export async function signIn(page: Page, rt: TestRuntime, person: { email: string; password: string } = OWNER): Promise<void> {
  await rt.session() // sets the server up, where nobody has
  await page.goto(`${rt.url}/login`)
  await page.getByLabel('E-mail').fill(person.email)
  await page.locator('input[name=password]').fill(person.password)
  await page.keyboard.press('Enter')
  await page.getByRole('navigation').first().waitFor()
}

export async function ownersPage(browser: TestBrowser, rt: TestRuntime): Promise<Page> {
  const page = await browser.page()
  await signIn(page, rt)
  return page
}

/** The page has its title, and no part of it is still on its way. */
export async function settled(page: Page): Promise<void> {
  await page.locator('h1').first().waitFor()
  await until(() => page.evaluate('document.querySelectorAll("[data-loading]").length === 0'), 'the page to have everything')
  await page.evaluate('document.fonts.ready.then(() => true)')
}

interface Violation {
  id: string
  help: string
  nodes: { target: unknown; html: string; failureSummary?: string }[]
}
/** Each as one line that says where. Empty is right. In the theme that is on all rules, and in the other one what colours may break. */
export async function axe(page: Page, themes: 'both' | 'this' = 'both'): Promise<string[]> {
  await page.evaluate(AXE)
  const here = await violations(page, `{ runOnly: ${JSON.stringify(RULES)}, resultTypes: ['violations'] }`)
  if (themes === 'this') return here
  await otherTheme(page)
  const there = await violations(page, `{ runOnly: { type: 'rule', values: ['color-contrast'] }, resultTypes: ['violations'] }`)
  await otherTheme(page)
  return [...here, ...there.map((it) => `in the other theme, ${it}`)]
}
async function violations(page: Page, options: string): Promise<string[]> {
  const { violations } = (await page.evaluate(`axe.run(document, ${options})`)) as { violations: Violation[] }
  return violations.flatMap((v) =>
    v.nodes.map((n) => `${v.id}: ${v.help} at ${JSON.stringify(n.target)} ${n.html.slice(0, 200)} ${n.failureSummary ?? ''}`),
  )
}
/** On the spot: what is open stays open. A colour that is on its way is not judged. */
const otherTheme = (page: Page): Promise<unknown> =>
  page.evaluate(`(async () => {
    const { dataset } = document.documentElement
    dataset.theme = dataset.theme === 'dark' ? 'light' : 'dark'
    await new Promise((done) => requestAnimationFrame(done))
    const ending = document.getAnimations().filter((it) => it.effect?.getComputedTiming().endTime !== Infinity)
    await Promise.allSettled(ending.map((it) => it.finished))
  })()`)

/** Into a folder that git ignores, to be looked at. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(PICTURES, { recursive: true })
  await page.screenshot({ path: join(PICTURES, `${name}.png`), animations: 'disabled' })
}
