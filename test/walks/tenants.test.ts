/** Somebody else's ids: every route that takes an id answers 404, and nothing of the other tenant changes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { operations } from '../../src/operations/index.ts'
import type { Provider } from '../fakes/provider.ts'
import { type Answer, runtime, type TestRuntime } from '../harness.ts'
import { behindTheScenes, ended, graphOf } from './acts.ts'
import { message, send, verdict } from './mcp-client.ts'
import { type Belongings, BODIES, belongings, pathOf, rowCounts, rowsOf, secondTenant, startGoogle, type Tenant } from './tenants.ts'

let google: Provider
let rt: TestRuntime
let other: Tenant
let mine: Belongings
let theirs: Belongings

beforeAll(async () => {
  google = await startGoogle()
  rt = await runtime({ allowPrivate: [google.url] })
  other = await secondTenant(rt, 'other')
  mine = await belongings(rt, google, 'ada')
  theirs = await belongings(other.as, google, 'bo')
  await ended(rt, mine.workflow, mine.run)
  await ended(other.as, theirs.workflow, theirs.run)
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await google?.close()
})

const link = { authorization_url: expect.stringContaining('/v1/oauth/start?ticket='), attempt_id: expect.stringMatching(/^oatt_/) }
const SERVED: Record<string, object> = {
  'connections.authorize': link,
  'connections.reconnect': link,
  'oauth.attempt': { status: 'done', kind: 'connected' },
  'oauth_apps.get': { client_id: 'client-of-bo' },
  'oauth_apps.put': { client_id: 'taken-over' },
  'oauth_apps.delete': { deleted: true },
  'webhooks.update': { name: 'taken over' },
  'webhooks.rotate_secret': { signing_secret: expect.stringMatching(/^ar_whsec_/) },
  'webhooks.delete': { deleted: true },
  'google.services': { services: ['gmail'], authorization_url: link.authorization_url },
}
/** What a person alone may ask belongs to that person and to no tenant. */
const withIds = operations.filter((op) => op.http.includes('{') && !op.by)
/** A slug is a name that each workspace gives by itself, so here a stranger makes something of their own: looked at below. */
const MAKES_ONES_OWN = ['oauth_apps.put']
/** Where it takes two ids, also with only the second of theirs. */
const paths = (http: string, them: Belongings, me: Belongings): string[] =>
  /\{(run_id|profile_id|rotation_id)\}/.test(http) ? [pathOf(http, them), pathOf(http, me, them)] : [pathOf(http, them)]
const ask = (as: TestRuntime, name: string, http: string, path: string): Promise<Answer> => {
  const method = http.split(' ')[0] as string
  return as.api(method, path, method === 'GET' || method === 'DELETE' ? undefined : (BODIES[name] ?? {}))
}
const args = { args: { method: 'GET', path: '/x' } }

describe('another tenant', () => {
  it('[access.other-tenant] every route with an id answers 404 to a stranger and changes nothing', async () => {
    BODIES['tools.call'] = args
    const before = { rows: await rowsOf(rt, other.workspace), counts: await rowCounts(rt) }
    let asked = 0
    for (const op of withIds.filter((it) => !MAKES_ONES_OWN.includes(it.name)))
      for (const path of paths(op.http, theirs, mine)) {
        expect(path).not.toContain('{')
        const answer = await ask(rt, op.name, op.http, path)
        expect(`${op.name} ${path} ${answer.status} ${answer.body.code}`).toBe(`${op.name} ${path} 404 NOT_FOUND`)
        // Our own address is said: it is what has to be registered at a provider.
        expect(answer.text.replaceAll(rt.url, '')).not.toMatch(/Mine|An account|example\.com|127\.0\.0\.1|client-of/)
        asked++
      }
    expect(asked).toBeGreaterThan(35)
    for (const id of [theirs.offered, mine.offered.replace(/.$/, (it) => (it === '0' ? '1' : '0'))])
      expect((await rt.api('GET', `/v1/oauth/attempts/${id}`)).status).toBe(404)
    expect(await rt.ok('GET', `/v1/oauth/attempts/${mine.offered}`)).toMatchObject({ status: 'pending' })
    const pause = await rt.api('POST', `/v1/workflows/${mine.workflow}/command`, { command: 'stop', params: { run_id: theirs.run } })
    expect(pause.status).toBe(404)
    await rt.ok('GET', '/v1/me')
    expect(await rowsOf(rt, other.workspace)).toEqual(before.rows)
    // Only the stranger's own attempt to call a tool is on record.
    const counts = await rowCounts(rt)
    expect({ ...counts, tool_calls: before.counts.tool_calls }).toEqual(before.counts)
  })

  it('[access.other-tenant] every MCP tool that takes an id answers a stranger as for an id that nobody has', async () => {
    const before = { rows: await rowsOf(rt, other.workspace), counts: await rowCounts(rt) }
    let asked = 0
    for (const op of withIds.filter((it) => !it.hideFrom?.mcp && !MAKES_ONES_OWN.includes(it.name)))
      for (const path of paths(op.http, theirs, mine)) {
        const fields = new RegExp(`^${op.http.replace(/^\w+ /, '').replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`).exec(path)?.groups
        const params = { name: op.name.replaceAll('.', '_'), arguments: { ...fields, ...BODIES[op.name] } }
        const answer = await send(rt, '/mcp', message('2026-07-28', 'tools/call', params))
        expect(`${op.name} ${path} ${verdict(answer.body.result)}`).toBe(`${op.name} ${path} NOT_FOUND`)
        expect(answer.text.replaceAll(rt.url, '')).not.toMatch(/Mine|An account|example\.com|127\.0\.0\.1|client-of/)
        asked++
      }
    expect(asked).toBeGreaterThan(30)
    expect(await rowsOf(rt, other.workspace)).toEqual(before.rows)
    expect(await rowCounts(rt)).toEqual(before.counts)
  })

  it('[access.other-tenant] lists hold one’s own things only, also when filtered by somebody else’s names', async () => {
    for (const [path, own] of [
      ['/v1/connections?q=Mine', mine.connection],
      ['/v1/connections?provider=google', mine.account],
      ['/v1/mcp/instances', mine.instance],
      ['/v1/workflows', mine.workflow],
      ['/v1/runs', mine.run],
      ['/v1/inbound-webhooks', mine.hook],
    ] as const) {
      const { items } = await rt.ok('GET', path)
      expect(items.map((i: { id?: string; run_id?: string }) => i.id ?? i.run_id)).toEqual([own])
    }
    const audit = await rt.ok('GET', '/v1/audit?limit=200')
    expect(JSON.stringify(audit)).not.toContain(theirs.connection)
    expect((await rt.ok('GET', `/v1/audit?target=${theirs.connection}`)).items).toEqual([])
    const pats = await rt.ok('GET', '/v1/pats')
    expect(pats.items.map((p: { id: string }) => p.id)).not.toContain(theirs.pat)
  })

  it('[access.other-tenant] an OAuth app is known in its own workspace, and one of the same name elsewhere is another', async () => {
    const slugs = async (as: TestRuntime) => (await as.ok('GET', '/v1/oauth-apps')).items.map((a: { slug: string }) => a.slug).sort()
    expect(await slugs(rt)).toEqual([mine.app, 'google'])
    expect((await rt.ok('GET', `/v1/oauth/doctor?provider=${mine.app}`)).apps).toHaveLength(1)
    const doctor = await rt.ok('GET', `/v1/oauth/doctor?provider=${theirs.app}`)
    expect(doctor.apps).toEqual([])
    expect(JSON.stringify(doctor)).not.toContain('client-of')
    const before = await rowsOf(rt, other.workspace)
    const made = await ask(rt, 'oauth_apps.put', 'PUT', `/v1/oauth-apps/${theirs.app}`)
    expect(made).toMatchObject({ status: 200, body: { client_id: 'taken-over', has_secret: false } })
    await rt.ok('DELETE', `/v1/oauth-apps/${theirs.app}`)
    expect(await rowsOf(rt, other.workspace)).toEqual(before)
    expect(await other.as.ok('GET', `/v1/oauth-apps/${theirs.app}`)).toMatchObject({ client_id: 'client-of-bo', has_secret: true })
    expect(await slugs(other.as)).toEqual([theirs.app, 'google'])
  })

  it('[access.other-tenant] their ids in a body are as good as unknown', async () => {
    const before = await rowsOf(rt, other.workspace)
    const bind = await rt.api('POST', '/v1/mcp/instances', {
      slug: 'http',
      connection_id: theirs.connection,
      config: { base_url: 'https://x.example' },
    })
    expect(bind).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
    const profiles = `/v1/mcp/instances/${mine.instance}/config-profiles`
    expect((await rt.api('POST', profiles, { name: 'p', connection_id: theirs.connection })).status).toBe(404)
    expect((await rt.api('PATCH', `${profiles}/${mine.profile}`, { connection_id: theirs.connection })).status).toBe(404)
    const link = (connection_id: string) => rt.api('POST', '/v1/connections/oauth/google/authorize', { connection_id })
    expect((await link(theirs.account)).status).toBe(404)
    expect((await link(mine.account)).status).toBe(200)
    const graph = graphOf([{ id: 'a', instance_id: theirs.instance, tool_name: 'http_request', tool_args: { method: 'GET', path: '/x' } }])
    const { id } = await rt.ok('POST', '/v1/workflows', { name: 'Borrowed', graph })
    expect((await rt.ok('POST', `/v1/workflows/${id}/validate`, {})).issues).toMatchObject([{ code: 'missing_instance' }])
    expect((await rt.api('POST', `/v1/workflows/${id}/versions`, {})).body.code).toBe('GRAPH_INVALID')
    const taken = await rt.api('POST', `/v1/workflows/${mine.workflow}/command`, { command: 'start', params: { run_id: theirs.run } })
    expect(taken).toMatchObject({ status: 409, body: { code: 'CONFLICT' } }) // an id is taken by whoever came first; nothing else is said
    expect(taken.text).not.toContain(theirs.workflow)
    expect(await rowsOf(rt, other.workspace)).toEqual(before)
  })

  it('[access.other-tenant] the same key of the same text belongs to each tenant by itself', async () => {
    const key = { 'idempotency-key': 'shared-word' }
    const body = { display_name: 'Same', provider: 'http', credentials: { api_key: 'the-same-secret-of-two' } }
    const one = await rt.ok('POST', '/v1/connections', body, key)
    const two = await other.as.ok('POST', '/v1/connections', body, key)
    expect(one.id).not.toBe(two.id)
    const print = async (as: TestRuntime, id: string) => (await as.ok('GET', `/v1/connections/${id}/credentials`)).keys[0].fingerprint
    expect(await print(rt, one.id)).not.toBe(await print(other.as, two.id)) // fingerprints say nothing across tenants
    const graph = { steps: [{ id: 'a', note: 'a-key-of-this-tenant' }] }
    await rt.ok('DELETE', `/v1/connections/${one.id}`)
    expect((await other.as.api('POST', '/v1/workflows', { name: 'x', graph })).body.code).toBe('SECRET_IN_GRAPH')
  })

  // Last: it carries everything out.
  it('[access.other-tenant] the owner of the ids is served by every one of these routes', async () => {
    await using db = await behindTheScenes(rt)
    // What takes things away comes last; a retry takes away the step that resolve_step looks for.
    const late = (op: (typeof withIds)[number]) =>
      op.http.startsWith('DELETE ') ? 3 : op.effect === 'destroy' ? 2 : op.name === 'runs.retry' ? 1 : 0
    const order = withIds.toSorted((a, b) => late(a) - late(b))
    for (const op of order) {
      const [path] = paths(op.http, theirs, theirs)
      const answer = await ask(other.as, op.name, op.http, path as string)
      expect(`${op.name}: ${answer.status === 404 ? answer.text : 'found'}`).toBe(`${op.name}: found`)
      expect(answer.status, op.name).toBeLessThan(500)
      // What a refusal would hide: these do what they are for.
      if (op.name in SERVED) expect(answer, op.name).toMatchObject({ status: 200, body: SERVED[op.name] })
    }
    const [run] = await db.rows('select count(*)::int as n from runs where workspace_id = $1', [other.workspace])
    expect(run?.n).toBeGreaterThan(1)
  })
})
