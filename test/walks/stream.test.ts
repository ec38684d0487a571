/** GET /v1/stream: that something has changed is told at once, to whoever may know, and to nobody else. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Provider } from '../fakes/provider.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { belongings, secondTenant, startGoogle, type Tenant } from './tenants.ts'

let google: Provider
let rt: TestRuntime
let other: Tenant
let workflow: string

beforeAll(async () => {
  google = await startGoogle()
  rt = await runtime({ allowPrivate: [google.url] })
  other = await secondTenant(rt, 'other')
  workflow = (await belongings(rt, google, 'ada')).workflow
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await google?.close()
})

interface Told {
  id: string
  changed: string[]
}
/** A client of the stream: what it was told so far, and whether it has ended. */
async function listen(pat: string, headers: Record<string, string> = {}) {
  const up = new AbortController()
  const response = await fetch(`${rt.url}/v1/stream`, { headers: { authorization: `Bearer ${pat}`, ...headers }, signal: up.signal })
  const it = { response, told: [] as Told[], ended: false, text: '', close: () => up.abort() }
  const reading = async () => {
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) {
      it.text += decoder.decode(chunk, { stream: true })
      it.told = it.text
        .split('\n\n')
        .filter((part) => part.includes('data: '))
        .map((part) => ({
          id: /^id: (.*)$/m.exec(part)?.[1] ?? '',
          changed: (JSON.parse(/^data: (.*)$/m.exec(part)?.[1] ?? '{}') as Told).changed,
        }))
    }
  }
  void reading()
    .catch(() => undefined)
    .then(() => {
      it.ended = true
    })
  if (response.ok) await until(() => it.told.length > 0, 'the first event')
  return it
}
const start = () => rt.ok('POST', `/v1/workflows/${workflow}/command`, { command: 'start' })
const lastOf = (it: { told: Told[] }) => it.told.at(-1)?.id as string

it('[stream.tells] what changes is told by topic, and the run that another tenant starts is not', async () => {
  const mine = await listen(rt.pat)
  const theirs = await listen(other.pat)
  expect(mine.response.headers.get('content-type')).toBe('text/event-stream')
  expect([...(mine.told[0]?.changed ?? [])].sort()).toEqual(['connections', 'instances', 'runs', 'webhooks', 'workflows'])
  await start()
  await until(() => mine.told.slice(1).some((t) => t.changed.includes('runs')), 'the run to be told')
  await rt.ok('PATCH', `/v1/workflows/${workflow}`, { name: 'another name' })
  await until(() => mine.told.slice(1).some((t) => t.changed.includes('workflows')), 'the workflow to be told')
  expect(theirs.told).toHaveLength(1)
  mine.close()
  theirs.close()
})

it('[stream.resumes] whoever comes back hears of what has changed meanwhile, and of nothing when nothing has', async () => {
  const first = await listen(rt.pat)
  await until(async () => (await rt.ok('GET', '/v1/runs?status=running')).items.length === 0, 'the runs to end')
  const { mark } = await rt.ok('GET', '/v1/changes')
  first.close()
  const unchanged = await listen(rt.pat, { 'last-event-id': mark })
  expect(unchanged.told[0]).toEqual({ id: mark, changed: [] })
  unchanged.close()
  await start()
  const back = await listen(rt.pat, { 'last-event-id': mark })
  expect(back.told[0]?.changed).toEqual(['runs'])
  expect(lastOf(back)).not.toBe(mark)
  back.close()
})

it('[stream.scopes] a token hears of what its scopes let it read', async () => {
  const { token } = await rt.mint({ display_name: 'reader', scopes: ['connection:read'] })
  const it = await listen(token)
  expect(it.told[0]?.changed).toEqual(['connections', 'instances'])
  it.close()
})

it('[stream.revoked] a token that is revoked ends its stream within a second', async () => {
  const { token, id } = await rt.mint({ display_name: 'soon gone', scopes: ['workflow:read'] })
  const it = await listen(token)
  await rt.ok('DELETE', `/v1/pats/${id}`)
  const since = it.told.length
  await until(() => it.ended, 'the stream to end', 3_000)
  expect(it.told.length).toBe(since)
})

it('[stream.limits] no token, a token in the query, and too many streams are refused', async () => {
  expect((await fetch(`${rt.url}/v1/stream`)).status).toBe(401)
  expect((await fetch(`${rt.url}/v1/stream?access_token=${rt.pat}`)).status).toBe(400)
  const open = await Promise.all(Array.from({ length: 10 }, () => listen(rt.pat)))
  const one = await listen(rt.pat)
  expect(one.response.status).toBe(429)
  for (const it of open) it.close()
  await until(async () => {
    const again = await listen(rt.pat)
    again.close()
    return again.response.ok
  }, 'a place to be free again')
})

it('[stream.ends] a process that goes down ends its streams and does not wait for them', async () => {
  const it = await listen(rt.pat)
  const { code } = await rt.stop()
  expect(code).toBe(0)
  await until(() => it.ended, 'the stream to end')
})
