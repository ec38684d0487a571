/** A real browser for tests: headless Chromium with an empty profile, which gets to loopback and nowhere else. */
import { existsSync } from 'node:fs'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import type { TestContext } from 'vitest'

/** Where Debian's and Ubuntu's package puts it. */
const CHROMIUM = '/usr/bin/chromium'
const FLAGS = [
  '--headless',
  // Tests run as root in containers, where Chromium's own sandbox cannot be set up. It sees our pages only.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Redirects and web sockets do not come by the routing below; no other name or address resolves for them.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE [::1]',
]
const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])$/
/** For one act on a page. Nothing waits that long unless it is broken, or the machine is very busy. */
const ACT_MS = 15_000

export interface TestBrowser extends AsyncDisposable {
  /** A page in this browser: all of them share its cookies. */
  page(): Promise<Page>
  /** A page whose browser has no cookies yet: another person. */
  stranger(): Promise<Page>
  /** Requests that went somewhere else than loopback, and got nowhere. */
  readonly refused: readonly string[]
}

export async function openBrowser(executablePath = CHROMIUM): Promise<TestBrowser> {
  const browser = await chromium.launch({ executablePath, args: FLAGS })
  const refused: string[] = []
  const profile = async (): Promise<BrowserContext> => {
    const context = await browser.newContext()
    context.setDefaultTimeout(ACT_MS)
    await context.route(
      (url) => /^(https?|wss?|ftp):$/.test(url.protocol) && !LOOPBACK.test(url.hostname),
      (route) => {
        refused.push(route.request().url())
        return route.abort('addressunreachable')
      },
    )
    return context
  }
  const own = await profile()
  return {
    page: () => own.newPage(),
    stranger: async () => (await profile()).newPage(),
    refused,
    [Symbol.asyncDispose]: () => browser.close(),
  }
}

/** `await using browser = await browserOrSkip(ctx)`: without Chromium the test is skipped, and says so; on CI it fails. */
export async function browserOrSkip(ctx: Pick<TestContext, 'skip' | 'task'>, executablePath = CHROMIUM): Promise<TestBrowser> {
  if (existsSync(executablePath)) return openBrowser(executablePath)
  const why = `there is no ${executablePath} (apt-get install chromium)`
  if (process.env.CI) throw new Error(`Journeys in a browser must run here, and ${why}.`)
  process.stderr.write(`\n!!! SKIPPED, NOT TESTED: "${ctx.task.name}" needs a browser, and ${why}.\n\n`)
  return ctx.skip(why)
}
