/** A process that dies in the middle of a rotation, at each of its named points: what was begun is there whole or not at all, and goes on. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type KeyedApi, startKeyedApi } from '../fakes/keyed-api.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { auditVerifies, query, withFaults } from './kit.ts'

let api: KeyedApi
beforeAll(async () => {
  api = await startKeyedApi()
})
afterAll(() => api?.[Symbol.asyncDispose]())
beforeEach(() => {
  api.accepts = new Map([
    ['the-old-key-of-this-test', 'acme'],
    ['the-new-key-of-this-test', 'acme'],
  ])
  api.requests.length = 0
})

type Ask = (rt: TestRuntime, at: string) => Promise<{ status: number; text: string }>
const ACTS = {
  stage: (rt, at) => rt.api('POST', at, { credentials: { api_key: 'the-new-key-of-this-test' } }),
  validate: (rt, at) => rt.api('POST', `${at}/validate`, {}),
  test: (rt, at) => rt.api('POST', `${at}/test-run`, { skip: 'not in this test' }),
  switch: (rt, at) => rt.api('POST', `${at}/promote`, {}),
  rollback: (rt, at) => rt.api('POST', `${at}/rollback`),
  finish: (rt, at) => rt.api('POST', `${at}/finish`, { confirm: true }),
} satisfies Record<string, Ask>
type Act = keyof typeof ACTS

/** The acts up to the one in which the process dies, and whether that one's commit was made. Each has what must be true afterwards. */
const DEATHS: [point: string, acts: Act[], state: string | null, serves: 'old' | 'new', versions: number[]][] = [
  ['rotation.stage.before_commit', ['stage'], null, 'old', [1]],
  ['rotation.validate.before_commit', ['stage', 'validate'], 'staged', 'old', [1, 2]],
  ['rotation.test.before_commit', ['stage', 'validate', 'test'], 'validated', 'old', [1, 2]],
  ['rotation.switch.before_commit', ['stage', 'validate', 'switch'], 'validated', 'old', [1, 2]],
  ['rotation.switch.after_commit', ['stage', 'validate', 'switch'], 'switched', 'new', [1, 2]],
  ['rotation.rollback.before_commit', ['stage', 'validate', 'switch', 'rollback'], 'switched', 'new', [1, 2]],
  ['rotation.rollback.after_commit', ['stage', 'validate', 'switch', 'rollback'], 'rolled_back', 'old', [1]],
  ['rotation.finish.before_commit', ['stage', 'validate', 'switch', 'finish'], 'switched', 'new', [1, 2]],
  ['rotation.finish.after_commit', ['stage', 'validate', 'switch', 'finish'], 'finished', 'new', [2]],
]
/** What is left to do from each state until the new one serves alone. */
const REST: Record<string, Act[]> = {
  none: ['stage', 'validate', 'switch', 'finish'],
  staged: ['validate', 'switch', 'finish'],
  validated: ['switch', 'finish'],
  switched: ['finish'],
  rolled_back: ['stage', 'validate', 'switch', 'finish'],
  finished: [],
}

const versionsOf = async (rt: TestRuntime, id: string): Promise<number[]> =>
  (await query<{ version: number }>(rt.connection, 'select distinct version from sealed where owner_id = $1 order by version', [id])).map(
    (r) => r.version,
  )
async function servedBy(rt: TestRuntime, instance: string): Promise<string | undefined> {
  const path = `/now-${api.requests.length}`
  const answer = await rt.api('POST', `/v1/mcp/instances/${instance}/tools/http_request/call`, { args: { method: 'GET', path } })
  expect(answer.status, answer.text).toBe(200)
  const keys = api.requests.filter((r) => r.path === path).map((r) => r.key)
  expect(keys).toHaveLength(1)
  return keys[0]
}

describe.each(DEATHS)('killed at %s', (point, acts, state, serves, versions) => {
  it('[rotation.killed] nothing is half done, the right key serves, and the rotation goes on to its end', async () => {
    const upstream = { url: api.url } as never
    await using one = await runtime(withFaults(upstream, [{ point, pass: 1, act: 'kill' }]))
    const connection = await one.ok('POST', '/v1/connections', {
      display_name: 'Keyed',
      provider: 'http',
      service: 'bearer',
      credentials: { api_key: 'the-old-key-of-this-test' },
    })
    const instance = (
      await one.ok('POST', '/v1/mcp/instances', {
        slug: 'http',
        connection_id: connection.id,
        config: { base_url: api.url, check_path: '/me' },
      })
    ).id
    const at = `/v1/connections/${connection.id}/rotation`
    for (const act of acts.slice(0, -1)) expect((await ACTS[act](one, at)).status, act).toBeLessThan(300)
    await expect(ACTS[acts.at(-1) as Act](one, at)).rejects.toThrow()
    expect((await one.exited).signal).toBe('SIGKILL')

    await using two = await one.again(withFaults(upstream, []))
    const found = await two.api('GET', at)
    expect(found.status === 404 ? null : found.body.state).toBe(state)
    expect(await versionsOf(two, connection.id)).toEqual(versions)
    expect(await servedBy(two, instance)).toBe(`the-${serves}-key-of-this-test`)
    for (const act of REST[state ?? 'none'] as Act[]) {
      const answer = await ACTS[act](two, at)
      expect(answer.status, `${act}: ${answer.text}`).toBeLessThan(300)
    }
    expect((await two.ok('GET', at)).state).toBe('finished')
    expect(await servedBy(two, instance)).toBe('the-new-key-of-this-test')
    expect(await versionsOf(two, connection.id)).toHaveLength(1)
    await auditVerifies(two)
  })
})

describe('burning', () => {
  it.each(['burn.begin.before_commit', 'burn.begin.after_commit'])(
    '[burn.killed] killed at %s: nothing of it, or a connection that lends nothing',
    async (point) => {
      const upstream = { url: api.url } as never
      await using one = await runtime(withFaults(upstream, [{ point, pass: 1, act: 'kill' }]))
      const { id } = await one.ok('POST', '/v1/connections', {
        display_name: 'Keyed',
        provider: 'http',
        service: 'bearer',
        credentials: { api_key: 'the-old-key-of-this-test' },
      })
      const instance = (await one.ok('POST', '/v1/mcp/instances', { slug: 'http', connection_id: id, config: { base_url: api.url } })).id
      await expect(one.api('POST', `/v1/connections/${id}/burn`, { reason: 'in this test' })).rejects.toThrow()
      await one.exited

      await using two = await one.again(withFaults(upstream, []))
      if (point === 'burn.begin.before_commit') {
        expect(await servedBy(two, instance)).toBe('the-old-key-of-this-test')
      } else {
        const answer = await two.api('POST', `/v1/mcp/instances/${instance}/tools/http_request/call`, {
          args: { method: 'GET', path: '/x' },
        })
        expect(answer.body.code).toBe('CONNECTION_RECONNECT_REQUIRED')
        expect(api.requests).toEqual([])
      }
      await two.ok('POST', `/v1/connections/${id}/burn`, { reason: 'in this test' })
      expect(await versionsOf(two, id)).toEqual([])
      await auditVerifies(two)
    },
  )
})
