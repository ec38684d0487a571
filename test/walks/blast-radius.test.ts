/** What depends on a connection, and whether what is foreseen comes true: each supposition is made, then carried out, and the runs are started. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type KeyedApi, startKeyedApi } from '../fakes/keyed-api.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { behindTheScenes } from './acts.ts'
import { hooked } from './knocks.ts'
import { SENDERS, type Sender } from '../fakes/senders.ts'

let api: KeyedApi
let rt: TestRuntime
/** An instance that none of this is about. */
let stays: string
let n = 0
beforeAll(async () => {
  api = await startKeyedApi()
  rt = await runtime({ allowPrivate: [api.url] })
  api.accepts.set('the-key-that-stays-as-it-is', 'acme')
  const { id } = await rt.ok('POST', '/v1/connections', {
    display_name: 'Stays',
    provider: 'http',
    service: 'bearer',
    credentials: { api_key: 'the-key-that-stays-as-it-is' },
  })
  stays = (await rt.ok('POST', '/v1/mcp/instances', { slug: 'http', name: 'Stays', connection_id: id, config: { base_url: api.url } })).id
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await api?.[Symbol.asyncDispose]()
})
beforeEach(() => {
  api.holds = null
  api.release()
})

interface Scene {
  connection: string
  key: string
  instance: string
  profile: string
  workflow: string
  other: string
}
const OURS = SENDERS.find((s) => s.scheme === 'agentruntime') as Sender
/** A connection in two steps of one workflow (one of them by the server's name), and a workflow that has nothing to do with it. */
async function scene(): Promise<Scene> {
  const key = `key-number-${++n}-of-this-scene`
  api.accepts.set(key, 'acme')
  const { id } = await rt.ok('POST', '/v1/connections', {
    display_name: `Scene ${n}`,
    provider: 'http',
    service: 'bearer',
    credentials: { api_key: key },
  })
  const made = await rt.ok('POST', '/v1/mcp/instances', {
    slug: 'http',
    name: `Scene ${n}`,
    connection_id: id,
    config: { base_url: api.url, check_path: '/me' },
  })
  const publish = async (name: string, steps: Record<string, unknown>[]) => {
    const { id: workflow } = await rt.ok('POST', '/v1/workflows', {
      name,
      graph: { steps: steps.map((s) => ({ type: 'mcp_call', ...s })) },
    })
    await rt.ok('POST', `/v1/workflows/${workflow}/versions`, {})
    return workflow as string
  }
  const ask = (path: string) => ({ tool_name: 'http_request', tool_args: { method: 'GET', path } })
  const free = { instance_id: stays, ...ask('/free') }
  return {
    connection: id,
    key,
    instance: made.id,
    profile: made.profiles[0].id,
    workflow: await publish(`Depends ${n}`, [
      { id: 'first', instance_id: made.id, ...ask('/first') },
      { id: 'free', ...free },
      { id: 'second', instance_id: made.id, depends_on: ['first'], ...ask('/second') },
    ]),
    other: await publish(`Does not ${n}`, [{ id: 'free', ...free }]),
  }
}
async function publish(name: string, steps: Record<string, unknown>[]): Promise<string> {
  const { id } = await rt.ok('POST', '/v1/workflows', { name, graph: { steps: steps.map((s) => ({ type: 'mcp_call', ...s })) } })
  await rt.ok('POST', `/v1/workflows/${id}/versions`, {})
  return id
}
const start = (workflow: string) => rt.api('POST', `/v1/workflows/${workflow}/command`, { command: 'start', params: {} })
const ended = (workflow: string, run: string) =>
  until(async () => {
    const it = await rt.ok('GET', `/v1/workflows/${workflow}/runs/${run}/summary`)
    return ['completed', 'failed', 'stopped'].includes(it.status) ? it : null
  }, `the end of ${run}`)
const usage = (s: Scene, query = '') => rt.ok('GET', `/v1/connections/${s.connection}/usage${query}`)
const codes = (it: { workflows: { workflow_id: string; fates: { step_id: string; code: string | null }[] }[] }) =>
  Object.fromEntries(it.workflows.map((w) => [w.workflow_id, Object.fromEntries(w.fates.map((f) => [f.step_id, f.code]))]))

describe('what depends on it', () => {
  it('[usage.radius] profiles, workflows and their steps, webhooks, runs under way with what they still need, and the last use of each version', async () => {
    const s = await scene()
    const hook = await hooked(rt, s.workflow, OURS)
    api.holds = '/first'
    const arrived = api.arrived()
    const run = (await start(s.workflow)).body.run_id
    await arrived
    const it = await usage(s)
    expect(it.profiles).toMatchObject([
      { instance_id: s.instance, profile_id: s.profile, environment: 'production', active: true, connection_id: s.connection },
    ])
    expect(it.workflows).toMatchObject([{ workflow_id: s.workflow, published_version: 1, steps: ['first', 'second'] }])
    expect(codes(it)).toEqual({ [s.workflow]: { first: null, second: null } })
    expect(it.webhooks).toMatchObject([{ webhook_id: hook.id, workflow_id: s.workflow, enabled: true, fails: false }])
    expect(it.active_runs).toMatchObject([{ run_id: run, fails: false, steps: [{ step_id: 'first' }, { step_id: 'second' }] }])
    expect([it.if, it.next_failure, it.more_runs]).toEqual([null, null, false])
    expect(it.versions).toMatchObject([{ version: 1, is: 'live' }])
    expect(it.versions[0].last_used_at).not.toBeNull()
    const dead = await usage(s, '?if=revoked')
    expect(dead.next_failure).toEqual({ kind: 'run', id: run, workflow_id: s.workflow, when: 'now' })
    api.release()
    await ended(s.workflow, run)
    expect((await usage(s, '?if=revoked')).next_failure).toEqual({
      kind: 'webhook',
      id: hook.id,
      workflow_id: s.workflow,
      when: 'next delivery',
    })
    api.accepts.set(`${s.key}-and-next`, 'acme')
    await rt.ok('POST', `/v1/connections/${s.connection}/rotation`, { credentials: { api_key: `${s.key}-and-next` } })
    expect((await usage(s)).versions).toMatchObject([
      { version: 1, is: 'live' },
      { version: 2, is: 'staged', last_used_at: null },
    ])
  })

  it('[usage.if] what cannot be supposed is refused by name', async () => {
    const s = await scene()
    for (const odd of ['gone', 'scopes:read', 'scopes:', 'scopes:-', 'revoked,deleted', 'scopes:-read']) {
      const answer = await rt.api('GET', `/v1/connections/${s.connection}/usage?if=${encodeURIComponent(odd)}`)
      expect([answer.status, answer.body.code], odd).toEqual([400, 'INVALID_INPUT'])
    }
  })
})

describe('what is foreseen comes true', () => {
  it('[usage.foresees] revoked: the first call notices it, and every start after that is refused with the code that was foreseen', async () => {
    const s = await scene()
    const foreseen = codes(await usage(s, '?if=revoked'))
    expect(foreseen).toEqual({ [s.workflow]: { first: 'CONNECTION_RECONNECT_REQUIRED', second: 'CONNECTION_RECONNECT_REQUIRED' } })
    api.accepts.delete(s.key)
    const first = await start(s.workflow)
    expect((await ended(s.workflow, first.body.run_id)).failure.code).toBe('CREDENTIAL_REJECTED')
    expect((await start(s.workflow)).body.code).toBe(foreseen[s.workflow]?.first)
    expect((await ended(s.other, (await start(s.other)).body.run_id)).status).toBe('completed')
  })

  it('[usage.foresees] deleted: refused while it is wired, with the same facts; and once it is unwired every start fails as foreseen', async () => {
    const s = await scene()
    const foreseen = await usage(s, '?if=deleted')
    const refused = await rt.api('DELETE', `/v1/connections/${s.connection}`)
    expect(refused.body.code).toBe('CONNECTION_IN_USE')
    expect(codes(refused.body.details)).toEqual(codes(foreseen))
    expect(codes(foreseen)).toEqual({ [s.workflow]: { first: 'BINDING_MISSING', second: 'BINDING_MISSING' } })
    await rt.ok('PATCH', `/v1/mcp/instances/${s.instance}/config-profiles/${s.profile}`, { connection_id: null })
    await rt.ok('DELETE', `/v1/connections/${s.connection}`)
    expect((await start(s.workflow)).body.code).toBe('BINDING_MISSING')
    expect((await start(s.other)).status).toBe(202)
  })

  it('[usage.foresees] a scope less: the steps whose tools need it fail as foreseen, the others go on', async () => {
    const token = `ghp_scopes${++n}ofthistest0000`
    api.accepts.set(token, 'octo')
    const { id } = await rt.ok('POST', '/v1/connections', {
      display_name: `Scoped ${n}`,
      provider: 'github',
      credentials: { api_key: token },
    })
    const made = await rt.ok('POST', '/v1/mcp/instances', {
      slug: 'github',
      name: `Scoped ${n}`,
      connection_id: id,
      config: { api_base: api.url },
    })
    const grant = async (scopes: string[]) => {
      await using db = await behindTheScenes(rt)
      await db.rows("update connections set granted_scopes = $2, status = 'active', updated_at = now() where id = $1", [id, scopes])
      await new Promise((go) => setTimeout(go, 1_050)) // as long as a row is believed
    }
    await grant(['repo', 'read:org'])
    const at = { owner: 'octo', repo: 'cat' }
    const needs = await publish(`Comments ${n}`, [
      { id: 'say', instance_id: made.id, tool_name: 'add_issue_comment', tool_args: { ...at, issue_number: 1, body: 'Hi' } },
    ])
    const reads = await publish(`Reads ${n}`, [{ id: 'look', instance_id: made.id, tool_name: 'get_repo', tool_args: at }])
    const foreseen = codes(await rt.ok('GET', `/v1/connections/${id}/usage?if=${encodeURIComponent('scopes:-repo')}`))
    expect(foreseen).toEqual({ [needs]: { say: 'SCOPE_MISSING' }, [reads]: { look: null } })
    await grant(['read:org'])
    expect((await ended(needs, (await start(needs)).body.run_id)).failure).toMatchObject({ step_id: 'say', code: foreseen[needs]?.say })
    expect((await ended(reads, (await start(reads)).body.run_id)).failure?.code).not.toBe('SCOPE_MISSING')
    expect((await rt.api('GET', `/v1/connections/${id}/usage?if=${encodeURIComponent('scopes:-repo')}`)).body.code).toBe('INVALID_INPUT')
  })

  it('[usage.instance] an instance: what names it, and what its deletion would break', async () => {
    const s = await scene()
    const it = await rt.ok('GET', `/v1/mcp/instances/${s.instance}/usage?if=deleted`)
    expect(codes(it)).toEqual({ [s.workflow]: { first: 'BINDING_MISSING', second: 'BINDING_MISSING' } })
    expect(codes((await rt.api('DELETE', `/v1/mcp/instances/${s.instance}`)).body.details)).toEqual(codes(it))
    expect(codes(await rt.ok('GET', `/v1/mcp/instances/${s.instance}/usage`))).toEqual({ [s.workflow]: { first: null, second: null } })
  })
})

describe('the burn button', () => {
  it('[burn.stops] nothing is sent any more, runs that need it stop with the act as their reason, and the others go on', async () => {
    const s = await scene()
    api.holds = '/first'
    const arrived = api.arrived()
    const run = (await start(s.workflow)).body.run_id
    await arrived
    const burned = await rt.ok('POST', `/v1/connections/${s.connection}/burn`, { reason: 'it was in a public log' })
    expect(burned).toMatchObject({
      burned: true,
      secret_destroyed: true,
      revoked_at_provider: null,
      runs_stopped: [run],
      workflows: [s.workflow],
    })
    api.holds = null
    api.release()
    const stopped = await ended(s.workflow, run)
    expect(stopped.status).toBe('stopped')
    expect(stopped.failure).toMatchObject({ code: 'RUN_STOPPED', reason: 'connection_burned' })
    expect(stopped.failure.message).toMatch(/was burned by (user|pat).*it was in a public log/)
    const before = api.requests.length
    expect((await start(s.workflow)).body).toMatchObject({ code: 'CONNECTION_RECONNECT_REQUIRED', details: { reason: 'burned' } })
    const call = await rt.api('POST', `/v1/mcp/instances/${s.instance}/tools/http_request/call`, {
      args: { method: 'GET', path: '/again' },
    })
    expect(call.body.code).toBe('CONNECTION_RECONNECT_REQUIRED')
    expect(api.requests.length).toBe(before)
    await using db = await behindTheScenes(rt)
    expect(await db.rows('select 1 from sealed where owner_id = $1', [s.connection])).toEqual([])
    expect((await start(s.other)).status).toBe(202)
    const { items } = await rt.ok('GET', `/v1/connections/${s.connection}/events`)
    expect(items.find((e: { event_type: string }) => e.event_type === 'burned').data).toMatchObject({ reason: 'it was in a public log' })
    // Burned once more, it stays so; with a new credential it lives again.
    expect(await rt.ok('POST', `/v1/connections/${s.connection}/burn`, { reason: 'to be sure' })).toMatchObject({
      burned: true,
      runs_stopped: [],
    })
    expect(
      (await rt.api('POST', `/v1/connections/${s.connection}/rotation`, { credentials: { api_key: 'a-new-key-for-the-scene' } })).body.code,
    ).toBe('CONFLICT')
    api.accepts.set('a-new-key-for-the-scene', 'acme')
    await rt.ok('PATCH', `/v1/connections/${s.connection}`, { credentials: { api_key: 'a-new-key-for-the-scene' } })
    expect((await ended(s.workflow, (await start(s.workflow)).body.run_id)).status).toBe('completed')
  })

  it('[burn.everything] a rotation under way is burned with it, every version, and revoked at a provider that can be told', async () => {
    const token = `ghp_burn${++n}ofthistest00000`
    api.accepts.set(token, 'octo')
    const { id } = await rt.ok('POST', '/v1/connections', {
      display_name: `Burns ${n}`,
      provider: 'github',
      credentials: { api_key: token },
    })
    await rt.ok('POST', '/v1/mcp/instances', { slug: 'github', name: `Burns ${n}`, connection_id: id, config: { api_base: api.url } })
    await rt.ok('POST', `/v1/connections/${id}/rotation`, { credentials: { api_key: `ghp_burn${n}ofthistestagain` } })
    expect(await rt.ok('POST', `/v1/connections/${id}/burn`, { reason: 'a laptop was lost' })).toMatchObject({
      revoked_at_provider: 'revoked',
    })
    expect(api.accepts.has(token)).toBe(false)
    const rotation = await rt.ok('GET', `/v1/connections/${id}/rotation`)
    expect([rotation.state, rotation.acts.at(-1).act]).toEqual(['cancelled', 'burned'])
    await using db = await behindTheScenes(rt)
    expect(await db.rows('select 1 from sealed where owner_id = $1', [id])).toEqual([])
  })

  it('[burn.stops] needs a reason, and somebody who may', async () => {
    const s = await scene()
    expect((await rt.api('POST', `/v1/connections/${s.connection}/burn`, {})).status).toBe(400)
    expect((await rt.api('POST', '/v1/connections/conn_00000000000000000000000000/burn', { reason: 'nobody' })).status).toBe(404)
    const { token } = await rt.mint({ display_name: 'reads', scopes: ['connection:read'] })
    const answer = await rt.api('POST', `/v1/connections/${s.connection}/burn`, { reason: 'nobody' }, { authorization: `Bearer ${token}` })
    expect(answer.status).toBe(403)
  })
})
