/** A credential in use gets a successor, in the real product against an API that takes exactly the keys that it is told to. */
import { createPublicKey, verify } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { canonical } from '../../src/access/chain.ts'
import { type KeyedApi, startKeyedApi } from '../fakes/keyed-api.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { asking } from './tenants.ts'

let api: KeyedApi
let rt: TestRuntime
let n = 0
beforeAll(async () => {
  api = await startKeyedApi()
  rt = await runtime({ allowPrivate: [api.url] })
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await api?.[Symbol.asyncDispose]()
})
beforeEach(() => {
  api.accepts.clear()
  api.requests.length = 0
  api.refusal = 401
  api.holds = null
})

interface Bound {
  id: string
  key: string
  instance: string
  at: string
  call: (path?: string, method?: string) => Promise<string>
}
/** A connection with a key of its own, bound to one instance. */
async function bound(name = `Keyed ${++n}`): Promise<Bound> {
  const key = `key-one-of-${name.replaceAll(' ', '-')}-0001`
  api.accepts.set(key, 'acme')
  const { id } = await rt.ok('POST', '/v1/connections', {
    display_name: name,
    provider: 'http',
    service: 'bearer',
    credentials: { api_key: key },
  })
  const instance = await install(id, name)
  return { id, key, instance, at: `/v1/connections/${id}/rotation`, call: calling(instance) }
}
const install = async (connection: string, name: string, more: Record<string, unknown> = {}): Promise<string> =>
  (
    await rt.ok('POST', '/v1/mcp/instances', {
      slug: 'http',
      name,
      connection_id: connection,
      config: { base_url: api.url, check_path: '/me', ...more },
    })
  ).id
const calling =
  (instance: string) =>
  async (path = '/items', method = 'GET'): Promise<string> => {
    const answer = await rt.api('POST', `/v1/mcp/instances/${instance}/tools/http_request/call`, { args: { method, path } })
    return answer.status === 200 ? String(answer.body.result?.status ?? answer.body.status ?? 200) : answer.body.code
  }
const successor = (of: string, account = 'acme') => {
  const key = of.replace(/-(\w+)$/, (_, end) => `-${end}-and-its-successor`)
  api.accepts.set(key, account)
  return key
}
const stage = (it: Bound, key: string, reason = 'scheduled') => rt.ok('POST', it.at, { credentials: { api_key: key }, reason })
const ago = (key: string) => api.requests.filter((r) => r.key === key && !r.path.startsWith('/me')).length

async function workflow(instances: readonly string[], path = '/step', method = 'GET'): Promise<string> {
  const steps = instances.map((instance_id, i) => ({
    id: `s${i}`,
    type: 'mcp_call',
    instance_id,
    tool_name: 'http_request',
    tool_args: { method, path },
  }))
  const { id } = await rt.ok('POST', '/v1/workflows', { name: `Uses it ${++n}`, graph: { steps } })
  await rt.ok('POST', `/v1/workflows/${id}/versions`, {})
  return id
}
const begin = async (id: string): Promise<string> =>
  (await rt.ok('POST', `/v1/workflows/${id}/command`, { command: 'start', params: {} })).run_id
const ended = (id: string, run: string) =>
  until(async () => {
    const it = await rt.ok('GET', `/v1/workflows/${id}/runs/${run}/summary`)
    return ['completed', 'failed', 'stopped'].includes(it.status) ? it : null
  }, `the end of ${run}`)
/** The keys that a path was asked for with, in order. */
const keysAt = (path: string) => api.requests.filter((r) => r.path === path).map((r) => r.key)
const refusal = async (method: string, path: string, body?: unknown, code = 'REFUSED') => {
  const answer = await rt.api(method, path, body)
  expect(answer.body?.code, answer.text).toBe(code)
  return answer.body
}

describe('from one key to the next', () => {
  it('[rotation.happy] staged, validated, tested, switched, finished: nothing uses the new key before, and nothing the old one after', async () => {
    const it = await bound()
    const next = successor(it.key)
    const staged = await stage(it, next)
    expect(staged).toMatchObject({ state: 'staged', old: { version: 1 }, new: { version: 2 }, next: ['validate', 'test', 'rollback'] })
    expect(staged.new.keys).toMatchObject([{ name: 'api_key', last_four: 'ssor' }])
    expect(await it.call()).toBe('200')
    expect(ago(next)).toBe(0)

    const checked = await rt.ok('POST', `${it.at}/validate`, {})
    expect(checked.state).toBe('validated')
    expect(checked.results).toMatchObject([{ instance_id: it.instance, outcome: 'passed', problem: null }])

    const args = { method: 'GET', path: '/tried' }
    const tried = await rt.ok('POST', `${it.at}/test-run`, { instance_id: it.instance, tool: 'http_request', args })
    expect(tried).toMatchObject({ state: 'tested', test: { kind: 'tool', ok: true } })
    expect(keysAt('/tried')).toEqual([next])

    const id = await workflow([it.instance])
    const { test: begun } = await rt.ok('POST', `${it.at}/test-run`, { workflow_id: id, params: { trigger_payload: { a: 1 } } })
    expect((await ended(id, begun.run_id)).status).toBe('completed')
    expect(await rt.ok('GET', it.at)).toMatchObject({ state: 'tested', test: { kind: 'run', run_status: 'completed', ok: true, calls: 1 } })
    await ended(id, await begin(id))
    expect(keysAt('/step')).toEqual([next, it.key])

    // One step is under way when it is switched to.
    api.holds = '/held'
    const slow = await workflow([it.instance, it.instance], '/held')
    await rt.ok('PATCH', `/v1/workflows/${slow}`, {
      graph: {
        steps: [
          { id: 's0', type: 'mcp_call', instance_id: it.instance, tool_name: 'http_request', tool_args: { method: 'GET', path: '/held' } },
          {
            id: 's1',
            type: 'mcp_call',
            instance_id: it.instance,
            depends_on: ['s0'],
            tool_name: 'http_request',
            tool_args: { method: 'GET', path: '/after' },
          },
        ],
      },
    })
    await rt.ok('POST', `/v1/workflows/${slow}/versions`, {})
    const arrived = api.arrived()
    const run = await begin(slow)
    await arrived
    expect((await rt.ok('GET', it.at)).runs_under_way).toBe(1)
    const switched = await rt.ok('POST', `${it.at}/promote`, { overlap_minutes: 30 })
    expect(switched).toMatchObject({ state: 'switched', forced: false, next: ['finish', 'rollback'] })
    expect(await it.call()).toBe('200')
    expect(keysAt('/items')).toEqual([it.key, next])
    api.release()
    expect((await ended(slow, run)).status).toBe('completed')
    expect([keysAt('/held'), keysAt('/after')]).toEqual([[it.key], [next]])
    expect(await rt.ok('GET', `/v1/connections/${it.id}`)).toMatchObject({ credential_version: 2, status: 'active' })

    const counted = await refusal('POST', `${it.at}/finish`, {})
    expect(counted.details).toMatchObject({ calls_on_old: 0 })
    api.accepts.delete(it.key)
    const finished = await rt.ok('POST', `${it.at}/finish`, { confirm: true })
    expect(finished).toMatchObject({ state: 'finished', revoked_at_provider: 'confirmed', next: [], old: { calls: 0 } })
    expect(finished.old.destroyed_at).not.toBeNull()
    expect(finished.old.last_used_at < finished.switched_at).toBe(true)
    expect(await it.call()).toBe('200')
    expect(finished.acts.map((a: { act: string }) => a.act)).toEqual(['staged', 'validated', 'tested', 'tested', 'switched', 'finished'])
    const told = (await rt.ok('GET', `/v1/connections/${it.id}/events?limit=200`)).items.map((e: { event_type: string }) => e.event_type)
    for (const type of ['rotation_staged', 'rotation_validated', 'rotation_tested', 'rotated', 'rotation_finished'])
      expect(told).toContain(type)
  })

  it('[rotation.evidence] the record says who, when, what was checked, which test and the last use of the old key, and is signed', async () => {
    const it = await bound()
    const next = successor(it.key)
    await it.call()
    await stage(it, next)
    await rt.ok('POST', `${it.at}/validate`, {})
    await rt.ok('POST', `${it.at}/test-run`, { skip: 'there is no test for this one' })
    await rt.ok('POST', `${it.at}/promote`, {})
    const { rotation_id } = await rt.ok('POST', `${it.at}/finish`, { confirm: true })
    const got = await rt.ok('GET', `/v1/connections/${it.id}/rotations/${rotation_id}/evidence`)
    const { rotation } = got.evidence
    expect(rotation.old.last_used_at).not.toBeNull()
    expect(rotation.test).toMatchObject({ kind: 'skipped', reason: 'there is no test for this one' })
    for (const act of rotation.acts) expect(act.by).toMatch(/^(user|pat)/)
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: got.public_key }, format: 'jwk' })
    const holds = (evidence: unknown) =>
      verify(null, Buffer.from(`agentruntime rotation evidence v1\0${canonical(evidence)}`), key, Buffer.from(got.signature, 'base64url'))
    expect(holds(got.evidence)).toBe(true)
    expect(holds({ ...got.evidence, rotation: { ...rotation, forced: true } })).toBe(false)
    expect(JSON.stringify(got)).not.toMatch(new RegExp(`${it.key}|${next}`))
    expect((await rt.ok('GET', `/v1/connections/${it.id}/rotations`)).items.map((r: { rotation_id: string }) => r.rotation_id)).toEqual([
      rotation_id,
    ])
  })

  it('[rotation.rollback] before the switch it is called off, and after it the old key serves again until it is destroyed', async () => {
    const it = await bound()
    const next = successor(it.key)
    await stage(it, next)
    expect((await rt.ok('POST', `${it.at}/rollback`)).state).toBe('cancelled')
    await refusal('POST', `${it.at}/validate`, {}, 'CONFLICT')

    expect((await stage(it, next)).new.version).toBe(3) // a number is never given twice
    await rt.ok('POST', `${it.at}/validate`, {})
    await rt.ok('POST', `${it.at}/promote`, {})
    await it.call('/on-the-new')
    expect(await rt.ok('POST', `${it.at}/rollback`)).toMatchObject({ state: 'rolled_back' })
    await it.call('/on-the-old')
    expect([keysAt('/on-the-new'), keysAt('/on-the-old')]).toEqual([[next], [it.key]])
    expect(await rt.ok('GET', `/v1/connections/${it.id}`)).toMatchObject({ credential_version: 1 })
    await refusal('POST', `${it.at}/rollback`, {}, 'CONFLICT')

    await stage(it, next)
    await rt.ok('POST', `${it.at}/validate`, {})
    await rt.ok('POST', `${it.at}/promote`, {})
    await rt.ok('POST', `${it.at}/finish`, { confirm: true })
    await refusal('POST', `${it.at}/rollback`, {}, 'CONFLICT')
  })

  it('[rotation.leaked] what may have leaked is switched at once: the old key is destroyed in the same moment', async () => {
    const it = await bound()
    const next = successor(it.key)
    await stage(it, next, 'leaked')
    await rt.ok('POST', `${it.at}/validate`, {})
    const done = await rt.ok('POST', `${it.at}/promote`, {})
    expect(done).toMatchObject({ state: 'switched', next: ['finish'] })
    expect(done.old.destroyed_at).toBe(done.switched_at)
    api.accepts.delete(next)
    expect(await it.call('/no-way-back')).toBe('CREDENTIAL_REJECTED')
    expect(keysAt('/no-way-back')).toEqual([next])
    expect(await rt.ok('POST', `${it.at}/finish`, { confirm: true })).toMatchObject({ state: 'finished' })
  })
})

describe('trouble', () => {
  it('[rotation.validates-each] each instance that serves is checked with the new key, and one that fails says why and keeps no other', async () => {
    const it = await bound()
    const other = await install(it.id, 'Elsewhere', { check_path: '/fails' })
    const idle = await rt.ok('POST', `/v1/mcp/instances/${it.instance}/config-profiles`, {
      name: 'idle',
      connection_id: it.id,
      config: { base_url: api.url },
    })
    const next = successor(it.key)
    await stage(it, next)
    const checked = await rt.ok('POST', `${it.at}/validate`, {})
    expect(checked.state).toBe('staged')
    const of = (profile: string) => checked.results.find((r: { profile_id: string }) => r.profile_id === profile)
    expect(of(idle.id).outcome).toBe('inactive')
    const outcomes = Object.fromEntries(
      checked.results
        .filter((r: { profile_id: string }) => r.profile_id !== idle.id)
        .map((r: { instance_id: string; outcome: string }) => [r.instance_id, r.outcome]),
    )
    expect(outcomes).toEqual({ [it.instance]: 'passed', [other]: 'failed' })
    expect(checked.results.find((r: { instance_id: string }) => r.instance_id === other).problem.code).toBe('UPSTREAM_ERROR')

    const said = await refusal('POST', `${it.at}/promote`, {})
    expect(said.error).toContain('Elsewhere')
    await refusal('POST', `${it.at}/validate`, { exclude: ['inst_nowhere'] }, 'INVALID_INPUT')
    const left = await rt.ok('POST', `${it.at}/validate`, { exclude: [other] })
    expect(left.state).toBe('validated')
    await refusal('POST', `${it.at}/promote`, { overlap_minutes: 0 })
    await rt.ok('POST', `${it.at}/promote`, {})
    await it.call('/here')
    await calling(other)('/there')
    expect([keysAt('/here'), keysAt('/there')]).toEqual([[next], [it.key]])
    expect((await refusal('POST', `${it.at}/finish`, {})).error).toContain('Elsewhere')
    await rt.ok('POST', `${it.at}/finish`, { confirm: true })
    await calling(other)('/there')
    expect(keysAt('/there')).toEqual([it.key, next])
  })

  it('[rotation.unchecked] what was bound after the validation holds up the switch, and force is on record', async () => {
    const it = await bound()
    await stage(it, successor(it.key))
    await refusal('POST', `${it.at}/promote`, {})
    await rt.ok('POST', `${it.at}/validate`, {})
    await install(it.id, 'Latecomer')
    expect((await refusal('POST', `${it.at}/promote`, {})).error).toContain('Latecomer')
    expect(await rt.ok('POST', `${it.at}/promote`, { force: true })).toMatchObject({ state: 'switched', forced: true })
    const { items } = await rt.ok('GET', `/v1/audit?action=rotation.switched&target=${it.id}`)
    expect(JSON.stringify(items[0])).toContain('"forced":true')
  })

  it('[rotation.wrong-account] a key of another account works and is told apart; the key in use is no new one', async () => {
    const it = await bound()
    await rt.ok('POST', `/v1/connections/${it.id}/validate`)
    expect((await refusal('POST', it.at, { credentials: { api_key: it.key } }, 'CONFLICT')).error).toContain('in use already')
    expect((await rt.api('GET', it.at)).status).toBe(404)
    await refusal('POST', it.at, { credentials: {} }, 'INVALID_INPUT')
    await refusal('POST', it.at, { credentials: { api_key: 'x'.repeat(20) }, colour: 'red' }, 'INVALID_INPUT')
    await stage(it, successor(it.key))
    await refusal('POST', it.at, { credentials: { api_key: 'another-key-0003' } }, 'CONFLICT')
    await refusal('PATCH', `/v1/connections/${it.id}`, { credentials: { api_key: 'another-key-0003' } }, 'CONFLICT')
  })

  it('[rotation.test-fails] a failed test holds up the switch until another passes', async () => {
    const it = await bound()
    await stage(it, successor(it.key))
    await rt.ok('POST', `${it.at}/validate`, {})
    const idle = await workflow([await install((await bound()).id, 'Another')])
    await refusal('POST', `${it.at}/test-run`, { workflow_id: idle })
    await refusal('POST', `${it.at}/test-run`, { instance_id: it.instance, tool: 'http_request', args: { method: 'POST', path: '/x' } })
    await refusal('POST', `${it.at}/test-run`, {}, 'INVALID_INPUT')
    const bad = await workflow([it.instance], '/{{input.nothing}}')
    const second = await rt.ok('POST', `${it.at}/test-run`, { workflow_id: bad })
    expect((await ended(bad, second.test.run_id)).status).toBe('failed')
    expect((await refusal('POST', `${it.at}/promote`, {})).error).toContain('test')
    await rt.ok('POST', `${it.at}/test-run`, { instance_id: it.instance, tool: 'http_request', args: { method: 'GET', path: '/fine' } })
    expect((await rt.ok('POST', `${it.at}/promote`, {})).state).toBe('switched')
  })

  it('[rotation.strangers] another tenant finds nothing, a reader may look, and a token starts runs only with the scope for it', async () => {
    const it = await bound()
    await stage(it, successor(it.key))
    const reader = asking(rt, (await rt.mint({ display_name: 'reads', scopes: ['connection:read'] })).token)
    expect((await reader.api('GET', it.at)).status).toBe(200)
    expect((await reader.api('POST', `${it.at}/promote`, {})).status).toBe(403)
    const writer = asking(rt, (await rt.mint({ display_name: 'writes', scopes: ['connection:write', 'connection:read'] })).token)
    const id = await workflow([it.instance])
    const answer = await writer.api('POST', `${it.at}/test-run`, { workflow_id: id })
    expect([answer.status, answer.body.details?.missing_scope]).toEqual([403, 'workflow:run'])
    expect((await rt.api('GET', '/v1/connections/conn_00000000000000000000000000/rotation')).status).toBe(404)
  })
})

describe('a key that is refused', () => {
  it('[rotation.falls-back] during the overlap a refused new key is answered for by the old one, once, and raises an alarm', async () => {
    const it = await bound()
    const next = successor(it.key)
    await stage(it, next)
    await rt.ok('POST', `${it.at}/validate`, {})
    await rt.ok('POST', `${it.at}/promote`, {})
    api.accepts.delete(next)
    expect(await it.call('/a')).toBe('200')
    expect(await it.call('/b', 'POST')).toBe('200')
    expect([keysAt('/a'), keysAt('/b')]).toEqual([
      [next, it.key],
      [next, it.key],
    ])
    const now = await rt.ok('GET', it.at)
    expect(now).toMatchObject({ fallbacks: 2, old: { calls: 2 } })
    expect(await rt.ok('GET', `/v1/connections/${it.id}`)).toMatchObject({ status: 'active' })
    const told = (await rt.ok('GET', `/v1/connections/${it.id}/events`)).items.filter(
      (e: { event_type: string }) => e.event_type === 'rotation_fallback',
    )
    expect(told).toMatchObject([{ data: { refused_version: 2, served_by: 1 } }]) // one alarm, and a count
    expect((await rt.ok('GET', `/v1/audit?action=rotation.fallback&target=${it.id}`)).items).toHaveLength(1)
    // Both dead: said of the live one, and only tried once each.
    api.accepts.delete(it.key)
    expect(await it.call('/c')).toBe('CREDENTIAL_REJECTED')
    expect(keysAt('/c')).toEqual([next, it.key])
    expect(await rt.ok('GET', `/v1/connections/${it.id}`)).toMatchObject({ status: 'reconnect', status_reason: 'key_rejected' })
  })

  it('[rotation.falls-forward] a call that still carries the old key after it was revoked outside goes on with the new one', async () => {
    const it = await bound()
    const pinned = await install(it.id, 'Stays')
    const next = successor(it.key)
    await stage(it, next)
    await rt.ok('POST', `${it.at}/validate`, { exclude: [pinned] })
    await rt.ok('POST', `${it.at}/promote`, {})
    api.accepts.delete(it.key)
    expect(await calling(pinned)('/p')).toBe('200')
    expect(keysAt('/p')).toEqual([it.key, next])
  })

  it('[rotation.steps-in] a key that dies before the switch is answered for by its validated successor, and by none that was not validated', async () => {
    const it = await bound()
    const next = successor(it.key)
    await stage(it, next)
    await rt.ok('POST', `${it.at}/validate`, {})
    api.accepts.delete(it.key)
    expect(await it.call('/q')).toBe('200')
    expect(keysAt('/q')).toEqual([it.key, next])
    expect(await rt.ok('GET', it.at)).toMatchObject({ state: 'validated', fallbacks: 1 })
    await rt.ok('POST', `${it.at}/promote`, {})
    expect(await it.call('/r')).toBe('200')
    expect(keysAt('/r')).toEqual([next])

    const two = await bound()
    await stage(two, successor(two.key))
    api.accepts.delete(two.key)
    expect(await two.call('/s')).toBe('CREDENTIAL_REJECTED')
    expect(keysAt('/s')).toEqual([two.key])
  })
})

describe('a vendor that revokes', () => {
  const github = async () => {
    const key = `ghp_number${++n}ofthistest0000`
    api.accepts.set(key, 'octo')
    const { id } = await rt.ok('POST', '/v1/connections', {
      display_name: `GitHub ${n}`,
      provider: 'github',
      credentials: { api_key: key },
    })
    await rt.ok('POST', '/v1/mcp/instances', { slug: 'github', connection_id: id, config: { api_base: api.url } })
    const next = `ghp_number${++n}ofthistest0000`
    api.accepts.set(next, 'octo')
    return { id, key, next, at: `/v1/connections/${id}/rotation` }
  }
  it('[rotation.revokes] the old key is ended at its provider when the rotation is finished, with no credential but itself', async () => {
    api.revokes = true
    const it = await github()
    expect(await rt.ok('POST', it.at, { credentials: { api_key: it.next } })).toMatchObject({ can_revoke: true })
    await rt.ok('POST', `${it.at}/validate`, {})
    await rt.ok('POST', `${it.at}/promote`, {})
    api.revokes = false
    expect((await refusal('POST', `${it.at}/finish`, {})).details).toMatchObject({ revocation: 'failed' })
    expect(api.accepts.has(it.key)).toBe(true)
    api.revokes = true
    expect(await rt.ok('POST', `${it.at}/finish`, {})).toMatchObject({
      state: 'finished',
      revoked_at_provider: 'revoked',
      old: { calls: 0 },
    })
    expect([api.accepts.has(it.key), api.accepts.has(it.next)]).toEqual([false, true])
    const { items } = await rt.ok('GET', `/v1/connections/${it.id}/uses?purpose=revocation`)
    expect(items.map((u: { credential_version: number }) => u.credential_version)).toContain(1)
  })

  it('[rotation.revokes] what has leaked is switched, revoked and destroyed in one act; where that fails it is destroyed all the same', async () => {
    for (const revokes of [true, false]) {
      api.revokes = revokes
      const it = await github()
      await rt.ok('POST', it.at, { credentials: { api_key: it.next }, reason: 'leaked' })
      await rt.ok('POST', `${it.at}/validate`, {})
      const done = await rt.ok('POST', `${it.at}/promote`, {})
      expect(done).toMatchObject(
        revokes ? { state: 'finished', revoked_at_provider: 'revoked' } : { state: 'switched', revoked_at_provider: null },
      )
      expect(done.old.destroyed_at).not.toBeNull()
      expect(api.accepts.has(it.key)).toBe(!revokes)
    }
  })
})

describe('environments', () => {
  it('[environments.apart] a graph runs unchanged in each, and a run in one never uses a connection of the other', async () => {
    const it = await bound()
    const box = 'key-of-the-sandbox-0001'
    api.accepts.set(box, 'acme')
    const { id } = await rt.ok('POST', '/v1/connections', {
      display_name: 'Box',
      provider: 'http',
      service: 'bearer',
      environment: 'sandbox',
      credentials: { api_key: box },
    })
    await refusal('POST', `/v1/mcp/instances/${it.instance}/config-profiles`, {
      name: 'wrong',
      environment: 'sandbox',
      connection_id: it.id,
      config: { base_url: api.url },
    })
    const profile = await rt.ok('POST', `/v1/mcp/instances/${it.instance}/config-profiles`, {
      name: 'sandbox',
      environment: 'sandbox',
      connection_id: id,
      config: { base_url: api.url },
    })
    await rt.ok('POST', `/v1/mcp/instances/${it.instance}/config-profiles/${profile.id}/set-active`)
    const flow = await workflow([it.instance], '/which')
    for (const environment of ['production', 'sandbox']) {
      const run = await rt.ok('POST', `/v1/workflows/${flow}/command`, { command: 'start', params: { environment } })
      expect((await ended(flow, run.run_id)).status).toBe('completed')
    }
    expect(keysAt('/which')).toEqual([it.key, box])
    // Bound to an environment, a connection stays in it.
    await refusal('PATCH', `/v1/connections/${id}`, { environment: 'production' }, 'CONNECTION_IN_USE')
    expect(await rt.ok('GET', `/v1/connections/${id}`)).toMatchObject({ environment: 'sandbox' })
  })
})
