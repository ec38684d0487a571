/** (h) The Console in headless Chromium: how soon the largest part of a page is there, and how a long list scrolls. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { chromium, type Page } from 'playwright-core'
import { newId } from '../src/base/ids.ts'
import { type Figure, median, quantile } from './report.ts'
import { newDataDir, type Options, openStage, ownProcess, type Stage } from './stage.ts'

const CHROMIUM = '/usr/bin/chromium'
const ROWS = 10_000
/** What developer tools call slow 4G: 1.6 Mbit/s down, 150 ms for a round trip; and a processor of a quarter. */
const SLOW = { latency: 150, downloadThroughput: (1.6 * 1024 * 1024) / 8, uploadThroughput: (750 * 1024) / 8, offline: false }
const SLOWER_CPU = 4
/** A turn of the wheel, and how many of them. */
const WHEEL_PX = 400
const TURNS = 120
const PAGES = ['/', '/connections', '/mcp', '/runs', '/settings']

/** No page takes that long to be whole. Until then it is left alone: what is asked in a page costs the page time. */
const WHOLE_MS = 4_000
const LARGEST = `new Promise((done) => {
  let last = 0
  new PerformanceObserver((list) => { for (const e of list.getEntries()) last = e.startTime }).observe({ type: 'largest-contentful-paint', buffered: true })
  setTimeout(() => done(last), 300)
})`
const FRAMES = `window.frames_ = []; (() => {
  let before = performance.now()
  const each = (now) => { window.frames_.push(now - before); before = now; requestAnimationFrame(each) }
  requestAnimationFrame(each)
})()`

export async function consolePages(options: Options): Promise<Figure[]> {
  const stage = await openStage(options)
  const runtime = await ownProcess(options, stage.flags)
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run'],
  })
  const figures: Figure[] = []
  try {
    await fill(stage)
    const flags = stage.flags
    const token = readFileSync(join(flags[flags.indexOf('--data-dir') + 1] ?? newDataDir(), 'bench.pat'), 'utf8').trim()
    const fresh = async (slow: boolean): Promise<Page> => {
      const context = await browser.newContext({
        viewport: { width: 1280, height: 800 },
        extraHTTPHeaders: { authorization: `Bearer ${token}` },
      })
      const page = await context.newPage()
      if (!slow) return page
      const wire = await context.newCDPSession(page)
      await wire.send('Network.enable')
      await wire.send('Network.emulateNetworkConditions', SLOW)
      await wire.send('Emulation.setCPUThrottlingRate', { rate: SLOWER_CPU })
      return page
    }
    /** With an empty cache each time. */
    const largest = async (path: string, slow: boolean): Promise<number> => {
      const page = await fresh(slow)
      await page.goto(runtime.url + path)
      await delay(WHOLE_MS)
      const at = (await page.evaluate(LARGEST)) as number
      await page.context().close()
      return at
    }
    const empty = await floor(browser)
    for (const [slow, most, name] of [
      [false, 1000, 'on loopback'],
      [true, 2000, 'slow 4G, processor at a quarter'],
    ] as const) {
      for (const path of PAGES) {
        const found: number[] = []
        for (let n = 0; n < (options.quick ? 1 : 3); n++) found.push(await largest(path, slow))
        figures.push({
          part: 'h',
          name: `largest paint of ${path}, ${name}`,
          value: median(found),
          unit: 'ms',
          target: { most },
          ...(slow ? {} : { floor: { name: 'a page with one heading', value: empty } }),
        })
      }
    }
    for (const path of ['/connections', '/runs']) {
      const page = await fresh(false)
      await page.goto(runtime.url + path)
      await page.getByRole('table').waitFor()
      await page.mouse.move(640, 500)
      await page.evaluate(FRAMES)
      for (let n = 0; n < TURNS; n++) {
        await page.mouse.wheel(0, WHEEL_PX)
        await page.waitForTimeout(16)
      }
      const frames = (await page.evaluate('window.frames_')) as number[]
      const rows = (await page.evaluate('document.querySelectorAll("[role=row]").length')) as number
      process.stderr.write(`${path}: ${rows} rows in the page after ${TURNS} turns of the wheel, ${frames.length} frames\n`)
      figures.push({
        part: 'h',
        name: `${ROWS / 1000}k rows of ${path}: a frame while it scrolls, p95`,
        value: quantile(frames, 0.95),
        unit: 'ms',
        target: { most: 32 },
        floor: { name: 'a frame of an empty page, p95', value: await frame(browser) },
      })
      await page.context().close()
    }
    return figures
  } finally {
    await browser.close()
    await runtime.stop()
    await stage.close()
  }
}

async function floor(browser: Awaited<ReturnType<typeof chromium.launch>>): Promise<number> {
  const page = await browser.newPage()
  await page.goto('data:text/html,<h1>one</h1>')
  const at = (await page.evaluate(LARGEST)) as number
  await page.close()
  return at
}
async function frame(browser: Awaited<ReturnType<typeof chromium.launch>>): Promise<number> {
  const page = await browser.newPage()
  await page.goto('data:text/html,<h1>one</h1>')
  await page.evaluate(FRAMES)
  await page.waitForTimeout(1000)
  const frames = (await page.evaluate('window.frames_')) as number[]
  await page.close()
  return quantile(frames, 0.95)
}

/** As many connections and runs as a list is to bear. */
async function fill(stage: Stage): Promise<void> {
  const [project] = await stage.sql('select id, workspace_id from projects')
  const many = Array.from({ length: ROWS }, (_, n) => n)
  await stage.sql(
    `insert into connections (id, workspace_id, project_id, name, provider, service, environment, status, credential_version)
     select x.id, $2, $3, 'Customer ' || x.n, 'http', 'bearer', 'production', 'active', 1 from unnest($1::text[], $4::int[]) as x(id, n)`,
    [many.map(() => newId('conn')), project?.workspace_id, project?.id, many],
  )
  await stage.sql(
    `insert into runs (id, workspace_id, project_id, workflow_id, version, environment, trigger, started_by, status, input, last_seq, created_at, started_at, finished_at)
     select x.id, $2, $3, $4, 1, 'production', 'api', 'bench', 'completed', '{}', 4, now(), now(), now() from unnest($1::text[]) as x(id)`,
    [many.map(() => newId('run')), project?.workspace_id, project?.id, 'wf_none'],
  )
}
