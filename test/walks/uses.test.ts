/** Every use of a secret is on record: who, in which run and step, with which tool, where to, in which version. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startUpstream, type Upstream } from '../faults/upstream.ts'
import { launch, runtime, type TestRuntime } from '../harness.ts'
import { call, published, ran } from './acts.ts'

let rt: TestRuntime
let upstream: Upstream
let connection: string
let instance: string
beforeAll(async () => {
  upstream = await startUpstream()
  rt = await runtime({ allowPrivate: [upstream.url] })
  connection = (
    await rt.ok('POST', '/v1/connections', {
      display_name: 'Counting API',
      provider: 'http',
      service: 'bearer',
      credentials: { api_key: 'key-of-the-counting-api' },
    })
  ).id
  const config = { base_url: upstream.url }
  instance = (await rt.ok('POST', '/v1/mcp/instances', { slug: 'http', connection_id: connection, config })).id
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await upstream?.close()
})

const host = () => new URL(upstream.url).host
const usesOf = async (query = '') => (await rt.ok('GET', `/v1/connections/${connection}/uses${query}`)).items
const GET = (path: string) => ({ method: 'GET', path })

it('[audit.uses] tells of a call by hand and of a step of a run: who, with what, where to, in which version', async () => {
  expect(await call(rt, instance, 'http_request', GET('/1/by-hand'))).toMatchObject({ status: 200 })
  const workflow = await published(rt, 'One step', [
    { id: 'look', instance_id: instance, tool_name: 'http_request', tool_args: GET('/2/look') },
  ])
  const { id } = await ran(rt, workflow)
  const [inRun, byHand, ...more] = await usesOf()
  expect(more).toEqual([])
  const both = {
    connection_id: connection,
    credential_version: 1,
    purpose: 'request',
    host: host(),
    uses: 1,
    tool: 'http_request',
    instance_id: instance,
  }
  expect(byHand).toMatchObject({ ...both, actor: expect.stringMatching(/^pat:pat_/), run_id: null, step_id: null, attempt: null })
  expect(inRun).toMatchObject({ ...both, run_id: id, step_id: 'look', attempt: 1 })
  expect(await rt.ok('GET', '/v1/audit/verify')).toMatchObject({ ok: true, problems: [] })
})

it('[audit.uses] a check, a try before saving and a renewed credential are uses too, each with its purpose and version', async () => {
  const config = { base_url: upstream.url }
  await rt.ok('PATCH', `/v1/connections/${connection}`, { credentials: { api_key: 'the-next-key-of-the-api' } })
  await rt.ok('POST', `/v1/mcp/instances/${instance}/validate`, {})
  const [check] = await usesOf('?purpose=check')
  expect(check).toMatchObject({
    purpose: 'check',
    credential_version: 2,
    host: host(),
    actor: expect.stringMatching(/^pat:/),
    run_id: null,
  })
  await rt.ok('POST', '/v1/connections/try', {
    provider: 'http',
    service: 'bearer',
    credentials: { api_key: 'a-key-that-nobody-keeps' },
    config,
  })
  const tried = (await rt.ok('GET', '/v1/audit/uses?purpose=check')).items
  expect(tried).toHaveLength(2)
  expect(tried[0].connection_id).not.toBe(connection)
})

it('[audit.uses] pages, filters, and stays when the connection is gone; another project’s are not there', async () => {
  for (let i = 0; i < 5; i++) {
    await call(rt, instance, 'http_request', GET(`/page/${i}`))
    await usesOf('?limit=1') // each is a batch of its own
  }
  const all = await usesOf('?limit=200')
  const paged = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { items: unknown[]; next_cursor: string | null } = await rt.ok(
      'GET',
      `/v1/connections/${connection}/uses?limit=2${cursor ? `&cursor=${cursor}` : ''}`,
    )
    paged.push(...page.items)
    cursor = page.next_cursor
  }
  expect(paged).toEqual(all)
  const runs = all.filter((u: { run_id: string | null }) => u.run_id !== null)
  expect(await usesOf(`?run_id=${runs[0].run_id}`)).toEqual(runs)
  expect(await usesOf('?actor=pat:nobody')).toEqual([])
  expect(await usesOf(`?tool=http_request&since=${all[1].first_at}&until=${all[0].first_at}`)).not.toContainEqual(all[0])
  expect(await rt.api('GET', `/v1/connections/${connection}/uses?cursor=bm9wZQ`)).toMatchObject({ status: 400 })
  expect(await rt.api('GET', '/v1/connections/conn_nobody/uses')).toMatchObject({ status: 404 })

  const about = (await rt.ok('GET', `/v1/audit?connection=${connection}&limit=200`)).items.map((i: { action: string }) => i.action)
  expect(new Set(about)).toEqual(new Set(['connection.created', 'connection.updated', 'secrets.used']))
  const gone = (
    await rt.ok('POST', '/v1/connections', {
      display_name: 'Gone',
      provider: 'http',
      service: 'bearer',
      credentials: { api_key: 'a-key-of-yesterday' },
    })
  ).id
  const other = (
    await rt.ok('POST', '/v1/mcp/instances', { slug: 'http', name: 'gone', connection_id: gone, config: { base_url: upstream.url } })
  ).id
  await call(rt, other, 'http_request', GET('/gone'))
  await rt.ok('DELETE', `/v1/mcp/instances/${other}`)
  await rt.ok('DELETE', `/v1/connections/${gone}`)
  expect((await rt.ok('GET', `/v1/audit/uses?connection_id=${gone}`)).items).toMatchObject([{ connection_id: gone, uses: 1 }])
})

/** The command line against this server. */
async function cli(...argv: string[]) {
  const child = launch(argv, { env: { AGENTRUNTIME_URL: rt.url, AGENTRUNTIME_TOKEN: rt.pat, XDG_CONFIG_HOME: rt.home } })
  return { ...(await child.exited), ...child.said }
}

it('[audit.export] [audit.checkpoint] the command line exports, and verifies the file without the server', async () => {
  const early = await cli('audit', 'checkpoint', '--json')
  expect(early).toMatchObject({ code: 0, stderr: '' })
  await call(rt, instance, 'http_request', GET('/later'))
  const { code, stdout, stderr } = await cli('audit', 'export')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const streamed = await rt.api('GET', '/v1/audit/export')
  expect(streamed.headers.get('content-type')).toBe('application/x-ndjson')
  const withoutEnd = (text: string) => text.trimEnd().split('\n').slice(0, -1)
  expect(withoutEnd(streamed.text)).toEqual(withoutEnd(stdout))
  expect(stdout).not.toContain('key-of-the')

  const at = (name: string, text: string) => {
    writeFileSync(join(rt.home, name), text)
    return join(rt.home, name)
  }
  const file = at('export.jsonl', stdout)
  const day = at('early.json', early.stdout)
  const { public_key } = JSON.parse(early.stdout)
  const url = 'http://127.0.0.1:1' // nobody is there, and nobody is asked
  const whole = await cli('audit', 'verify', '--file', file, '--public-key', public_key, '--checkpoint', day, '--url', url)
  expect(whole).toMatchObject({ code: 0, stderr: '' })
  expect(whole.stdout).toMatch(/^whole: \d+ entries \(1 to \d+\) and \d+ records of uses of ws_/)
  const verdict = JSON.parse((await cli('audit', 'verify', `--file=${file}`, '--json')).stdout)
  expect(verdict).toMatchObject({
    ok: true,
    key_from: 'export',
    compared: false,
    entries: (await rt.ok('GET', '/v1/audit/verify')).entries,
  })
  const again = await cli('audit', 'verify', '--file', file, '--checkpoint', file)
  expect(again).toMatchObject({ code: 0 })

  const lines = stdout.trimEnd().split('\n')
  const cut = await cli('audit', 'verify', '--file', at('cut.jsonl', lines.slice(0, -4).join('\n')))
  expect(cut).toMatchObject({ code: 5, stdout: expect.stringContaining('its tail was cut') })
  const edited = await cli('audit', 'verify', '--file', at('edited.jsonl', stdout.replace(host(), 'evil.example.com')))
  expect(edited).toMatchObject({ code: 5, stdout: expect.stringContaining('uses of secrets') })
  for (const key of ['A'.repeat(43), `-${'A'.repeat(42)}`]) {
    const foreign = await cli('audit', 'verify', '--file', file, '--public-key', key)
    expect(foreign).toMatchObject({ code: 5, stdout: expect.stringContaining('signed by another key') })
  }
  expect(await cli('audit', 'verify', '--file', join(rt.home, 'nothing'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('cannot be read'),
  })
  expect(await cli('audit', 'verify', '--file', file, '--nonsense')).toMatchObject({ code: 2 })
  const last = await cli('audit', 'export', '--after', String(verdict.last - 2))
  expect(await cli('audit', 'verify', '--file', at('last.jsonl', last.stdout), '--public-key', public_key)).toMatchObject({ code: 0 })
  expect(await cli('audit', 'export', '--after', '100000')).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('there is no entry 100000'),
  })
})

it('[audit.retention] is a number of days, and refused otherwise', async () => {
  const bad = await rt.api('GET', '/v1/audit/export?limit=5')
  expect(bad).toMatchObject({ status: 400 })
  const child = launch(['start', '--audit-retention-days', 'soon', '--data-dir', join(rt.home, 'none')])
  expect(await child.exited).toMatchObject({ code: 2 })
  expect(child.said.stderr).toContain('--audit-retention-days must be a number of days')
})
