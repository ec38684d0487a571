/** Whoever is shown out in the middle: a long call, a stream, and what comes of them. */
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OWNER, runtime, type TestRuntime, until } from '../harness.ts'
import { owner, type Person, person } from './person.ts'
import { asking } from './tenants.ts'

let rt: TestRuntime
let ada: Person
let upstream: Server
let path: string
const hanging: ServerResponse[] = []
let gone = 0
const CALL = { args: { method: 'GET', path: '/hang' } }

beforeAll(async () => {
  upstream = createServer((_request, response) => {
    hanging.push(response)
    response.on('close', () => gone++)
  }).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const base = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  rt = await runtime({ allowPrivate: [base] })
  ada = await owner(rt)
  const connection = await rt.ok('POST', '/v1/connections', {
    display_name: 'Slow',
    provider: 'http',
    credentials: { api_key: 'a-key-for-the-slow-one' },
  })
  const instance = await rt.ok('POST', '/v1/mcp/instances', { slug: 'http', connection_id: connection.id, config: { base_url: base } })
  path = `/v1/mcp/instances/${instance.id}/tools/http_request/call`
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  upstream?.closeAllConnections()
  upstream?.close()
})

/** Another browser of the same person. */
async function second(): Promise<{ it: Person; id: string }> {
  const it = person(rt, OWNER.email)
  await it.ok('POST', '/v1/auth/sign-in', OWNER)
  const { items } = await it.ok('GET', '/v1/auth/sessions')
  return { it, id: items.find((s: { current: boolean }) => s.current).id }
}

it('[access.shown-out] a call under way ends within a second of its session or its token, and its answer is the refusal', async () => {
  const browser = await second()
  const { id, token } = await rt.mint({ display_name: 'soon gone', scopes: ['mcp:execute'] })
  for (const [ask, end] of [
    [() => browser.it.api('POST', path, CALL), () => ada.ok('DELETE', `/v1/auth/sessions/${browser.id}`)],
    [() => asking(rt, token).api('POST', path, CALL), () => rt.ok('DELETE', `/v1/pats/${id}`)],
  ] as const) {
    const before = { held: hanging.length, gone }
    const calling = ask()
    await until(() => hanging.length > before.held, 'the call to reach the upstream')
    const began = performance.now()
    await end()
    const answer = await calling
    expect([answer.status, answer.body.code]).toEqual([401, 'UNAUTHENTICATED'])
    expect(performance.now() - began).toBeLessThan(1_000)
    await until(() => gone > before.gone, 'the upstream to be let go', 3_000)
  }
})

it('[access.shown-out] a stream of a session ends within a second of it, and begins with the cookie alone', async () => {
  const browser = await second()
  const response = await fetch(`${rt.url}/v1/stream`, { headers: { cookie: browser.it.headers().cookie as string } })
  expect(response.status).toBe(200)
  let text = ''
  let ended = false
  void (async () => {
    for await (const chunk of response.body ?? []) text += new TextDecoder().decode(chunk)
    ended = true
  })()
  await until(() => text.includes('event: changed'), 'the first event')
  const began = performance.now()
  await ada.ok('DELETE', `/v1/auth/sessions/${browser.id}`)
  await until(() => ended, 'the stream to end', 3_000)
  expect(performance.now() - began).toBeLessThan(1_500)
  expect((await fetch(`${rt.url}/v1/stream`, { headers: { cookie: browser.it.headers().cookie as string } })).status).toBe(401)
})

it('[sign-in.ends] sessions are listed and ended one by one or all others at once, and nobody ends those of another', async () => {
  const [one, two] = [await second(), await second()]
  const list = async () => (await ada.ok('GET', '/v1/auth/sessions')).items as { id: string; current: boolean }[]
  expect((await list()).map((s) => s.id)).toEqual(expect.arrayContaining([one.id, two.id]))
  expect((await list()).filter((s) => s.current)).toHaveLength(1)
  await ada.ok('DELETE', `/v1/auth/sessions/${one.id}`)
  expect((await one.it.api('GET', '/v1/me')).status).toBe(401)
  expect((await two.it.api('GET', '/v1/me')).status).toBe(200)
  expect((await ada.ok('DELETE', '/v1/auth/sessions')).ended).toBeGreaterThanOrEqual(1)
  expect((await two.it.api('GET', '/v1/me')).status).toBe(401)
  expect((await list()).length).toBe(1)
  expect((await ada.api('DELETE', `/v1/auth/sessions/${two.id}`)).status).toBe(404)
})
