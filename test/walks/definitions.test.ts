/** What was built in one installation is taken to another: nothing secret goes along, nothing is guessed, and it runs there. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KeyedApi, startKeyedApi } from '../fakes/keyed-api.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { hits } from './canary.ts'

const KEYS = {
  there: 'the-key-of-the-first-installation',
  here: 'the-key-of-the-second-installation',
  box: 'the-key-of-the-sandbox-of-the-first',
}
let api: KeyedApi
let one: TestRuntime
let two: TestRuntime
// biome-ignore lint/suspicious/noExplicitAny: a file, looked into field by field
let file: any
let connection: string

const connect = async (rt: TestRuntime, name: string, key: string, environment = 'production') => {
  api.accepts.set(key, 'acme')
  return (
    await rt.ok('POST', '/v1/connections', {
      display_name: name,
      provider: 'http',
      service: 'bearer',
      environment,
      credentials: { api_key: key },
    })
  ).id
}
beforeAll(async () => {
  api = await startKeyedApi()
  one = await runtime({ allowPrivate: [api.url] })
  two = await runtime({ allowPrivate: [api.url] })
  const id = await connect(one, 'Acme', KEYS.there)
  const box = await connect(one, 'Acme, to play', KEYS.box, 'sandbox')
  await connect(one, 'Not used by anything', 'a-key-that-is-used-by-nothing')
  const config = { base_url: api.url, check_path: '/me' }
  const instance = await one.ok('POST', '/v1/mcp/instances', { slug: 'http', name: 'Acme API', connection_id: id, config })
  const profile = await one.ok('POST', `/v1/mcp/instances/${instance.id}/config-profiles`, {
    name: 'play',
    environment: 'sandbox',
    connection_id: box,
    config,
  })
  await one.ok('POST', `/v1/mcp/instances/${instance.id}/config-profiles/${profile.id}/set-active`)
  const step = (path: string) => ({
    steps: [{ id: 'ask', type: 'mcp_call', instance_id: instance.id, tool_name: 'http_request', tool_args: { method: 'GET', path } }],
  })
  const { id: flow } = await one.ok('POST', '/v1/workflows', { name: 'Asks Acme', description: 'In words.', graph: step('/published') })
  await one.ok('POST', `/v1/workflows/${flow}/versions`, {})
  await one.ok('PATCH', `/v1/workflows/${flow}`, { graph: step('/draft') })
  await one.ok('POST', '/v1/workflows', { name: 'Only a draft', graph: step('/never') })
  await one.ok('POST', '/v1/inbound-webhooks', { workflow_id: flow, name: 'Knocks', extras: { from: 'outside' } })
  file = await one.ok('GET', '/v1/export')
  connection = await connect(two, 'Acme here', KEYS.here)
})
afterAll(async () => {
  await two?.[Symbol.asyncDispose]()
  await one?.[Symbol.asyncDispose]()
  await api?.[Symbol.asyncDispose]()
})

const refs = () => Object.fromEntries(file.connections.map((c: { name: string; ref: string }) => [c.name, c.ref])) as Record<string, string>
const send = (body: Record<string, unknown>) => two.api('POST', '/v1/import', { bundle: file, ...body })

describe('what is taken along', () => {
  it('[export.definitions] workflows, instances, profiles, webhooks and the names of what they need, and no secret in any form', () => {
    expect(file.connections.map((c: { name: string }) => c.name).sort()).toEqual(['Acme', 'Acme, to play'])
    expect(file.instances).toMatchObject([
      {
        server: 'http',
        name: 'Acme API',
        profiles: [
          { environment: 'production', active: true },
          { name: 'play', environment: 'sandbox', active: true },
        ],
      },
    ])
    expect(file.workflows.map((w: { name: string; published: unknown }) => [w.name, w.published !== null]).sort()).toEqual([
      ['Asks Acme', true],
      ['Only a draft', false],
    ])
    expect(file.webhooks).toMatchObject([{ name: 'Knocks', scheme: 'agentruntime', extras: { from: 'outside' } }])
    expect(hits(KEYS, [['the file', Buffer.from(JSON.stringify(file))]])).toEqual([])
    expect(JSON.stringify(file)).not.toMatch(/fingerprint|last_four|signing_secret/)
  })
})

describe('what is taken in', () => {
  it('[import.never-guesses] a dry run says what would fit and takes none of it, also where there is but one', async () => {
    const { body } = await send({})
    expect(body).toMatchObject({
      applied: false,
      ready: false,
      makes: { instances: 1, workflows: 2, published: 1, webhooks: 1 },
      conflicts: [],
      problems: [],
    })
    const acme = body.connections.find((c: { name: string }) => c.name === 'Acme')
    expect(acme).toMatchObject({
      mapped_to: null,
      candidates: [{ id: connection, name: 'Acme here' }],
      problem: 'map must say which connection takes the place of Acme',
    })
    const box = body.connections.find((c: { environment: string }) => c.environment === 'sandbox')
    expect(box).toMatchObject({ candidates: [], problem: 'there is no connection of http for sandbox here: connect one first' })
    const refused = await send({ apply: true })
    expect([refused.status, refused.body.code]).toEqual([422, 'REFUSED'])
    for (const map of [
      { nothing: connection },
      { [refs().Acme as string]: 'conn_nobodys' },
      { [refs()['Acme, to play'] as string]: connection },
    ])
      expect((await send({ map, apply: true })).body.code).toBe('REFUSED')
    expect((await two.ok('GET', '/v1/workflows')).items).toEqual([])
    expect((await two.ok('GET', '/v1/mcp/instances')).items).toEqual([])
  })

  it('[import.guarded] what holds a secret is refused, and so is whoever may not', async () => {
    const stolen = structuredClone(file)
    stolen.workflows[0].graph.steps[0].tool_args.path = `/x?key=${KEYS.here}`
    const answer = await two.api('POST', '/v1/import', { bundle: stolen })
    expect([answer.status, answer.body.code]).toEqual([422, 'SECRET_IN_GRAPH'])
    expect(answer.text).not.toContain(KEYS.here)
    const odd = await two.api('POST', '/v1/import', { bundle: { ...file, colour: 'red' } })
    expect([odd.status, odd.body.error]).toEqual([400, expect.stringContaining('colour')])
    const { token } = await two.mint({ display_name: 'writes', scopes: ['workflow:write'] })
    expect((await two.api('POST', '/v1/import', { bundle: file }, { authorization: `Bearer ${token}` })).status).toBe(403)
  })

  it('[import.applies] with every connection named all of it is made, runs in both environments, and is refused a second time', async () => {
    const box = await connect(two, 'Box here', 'the-key-of-the-sandbox-of-the-second', 'sandbox')
    const map = { [refs().Acme as string]: connection, [refs()['Acme, to play'] as string]: box }
    expect((await send({ map })).body).toMatchObject({ ready: true, applied: false })
    const { body } = await send({ map, apply: true })
    expect(body.applied).toBe(true)
    const workflow = body.ids[file.workflows.find((w: { name: string }) => w.name === 'Asks Acme').ref]
    api.requests.length = 0
    for (const environment of ['production', 'sandbox']) {
      const { run_id } = await two.ok('POST', `/v1/workflows/${workflow}/command`, { command: 'start', params: { environment } })
      await until(
        async () => (await two.ok('GET', `/v1/workflows/${workflow}/runs/${run_id}/summary`)).status === 'completed',
        'the run to end',
      )
    }
    expect(api.requests.map((r) => [r.path, r.key])).toEqual([
      ['/published', KEYS.here],
      ['/published', 'the-key-of-the-sandbox-of-the-second'],
    ])
    const kept = await two.ok('GET', `/v1/workflows/${workflow}`)
    expect([kept.description, kept.graph.steps[0].tool_args.path]).toEqual(['In words.', '/draft'])
    expect((await two.ok('GET', '/v1/inbound-webhooks')).items).toMatchObject([
      { name: 'Knocks', workflow_id: workflow, extras: { from: 'outside' } },
    ])
    const again = await send({ map, apply: true })
    expect([again.status, again.body.details.conflicts.length]).toEqual([422, 4])
    expect((await send({ map, apply: true, on_conflict: 'add' })).body.applied).toBe(true)
    expect((await two.ok('GET', '/v1/workflows')).items).toHaveLength(4)
  })

  it('[import.applies] what cannot be published takes everything back with it', async () => {
    const broken = structuredClone(file)
    broken.workflows[0].published = {
      steps: [{ id: 'ask', type: 'mcp_call', instance_id: broken.instances[0].ref, tool_name: 'no_such_tool', tool_args: {} }],
    }
    const counts = async () => [
      (await two.ok('GET', '/v1/workflows')).items.length,
      (await two.ok('GET', '/v1/mcp/instances')).items.length,
    ]
    const before = await counts()
    const box = (await two.ok('GET', '/v1/connections?environment=sandbox')).items[0].id
    const map = { [refs().Acme as string]: connection, [refs()['Acme, to play'] as string]: box }
    const answer = await two.api('POST', '/v1/import', { bundle: broken, map, apply: true, on_conflict: 'add' })
    expect(answer.body.code).toBe('GRAPH_INVALID')
    expect(await counts()).toEqual(before)
  })
})
