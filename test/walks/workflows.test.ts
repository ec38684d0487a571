/** What an editor of workflows needs of the server: judging a draft that is not stored, refusing a stale save, the list, the archive. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tokens } from '../fakes/github.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { call, ended } from './acts.ts'

let rt: TestRuntime
let shop = ''
beforeAll(async () => {
  rt = await runtime({ demo: true })
  shop = (await rt.ok('GET', '/v1/mcp/instances')).items[0].id
})
afterAll(() => rt?.[Symbol.asyncDispose]())

const query = (id: string, more: Record<string, unknown> = {}) => ({
  id,
  type: 'mcp_call',
  instance_id: shop,
  tool_name: 'sqlite_query',
  tool_args: { sql: 'select 1' },
  ...more,
})
const make = (name: string, steps: unknown[]) => rt.ok('POST', '/v1/workflows', { name, graph: { steps } })

describe('a draft that is sent', () => {
  it('[workflows.posted-draft] is judged in place of the stored one, and is not kept', async () => {
    const { id } = await make('Judged', [query('a')])
    const verdict = (body: unknown) => rt.ok('POST', `/v1/workflows/${id}/validate`, body)
    expect(await verdict({})).toMatchObject({ valid: true, issues: [] })
    const wrong = query('b', { tool_args: { sql: '{{steps.c.result}}' } })
    expect(await verdict({ graph: { steps: [query('a'), wrong] } })).toMatchObject({
      valid: false,
      issues: [{ step_id: 'b', path: 'steps[1].tool_args.sql', code: 'template_unknown_step', severity: 'error' }],
    })
    expect((await rt.ok('GET', `/v1/workflows/${id}`)).graph.steps).toHaveLength(1)
    expect(await rt.api('POST', `/v1/workflows/${id}/validate`, { graph: null })).toMatchObject({
      status: 422,
      body: { code: 'GRAPH_INVALID', details: { issues: [{ path: '' }] } },
    })
    expect((await rt.api('POST', '/v1/workflows/wf_none/validate', { graph: { steps: [] } })).status).toBe(404)
  })

  it('[workflows.posted-draft] is refused with a key in it, by its path', async () => {
    const { id } = await make('Leaky', [query('a')])
    const graph = { steps: [query('a', { tool_args: { sql: tokens.classic } })] }
    const refused = await rt.api('POST', `/v1/workflows/${id}/validate`, { graph })
    expect(refused).toMatchObject({ status: 422, body: { code: 'SECRET_IN_GRAPH', details: { path: 'graph.steps[0].tool_args.sql' } } })
    expect(refused.text).not.toContain(tokens.classic)
  })
})

describe('two editors', () => {
  it('[workflows.stale-save] one save of two that began at the same draft is refused, and says since when', async () => {
    const made = await make('Shared', [query('a')])
    const save = (name: string, if_updated_at?: string) => rt.api('PATCH', `/v1/workflows/${made.id}`, { name, if_updated_at })
    const both = await Promise.all([save('One', made.updated_at), save('Other', made.updated_at)])
    expect(both.map((a) => a.status).sort()).toEqual([200, 409])
    const [won, lost] = both[0]?.status === 200 ? both : both.toReversed()
    expect(lost?.body).toMatchObject({ code: 'DRAFT_CHANGED', details: { updated_at: won?.body.updated_at } })
    expect((await rt.ok('GET', `/v1/workflows/${made.id}`)).name).toBe(won?.body.name)
    expect((await save('Mine', won?.body.updated_at)).status).toBe(200)
    expect((await save('Blind')).status).toBe(200)
  })
})

describe('the list', () => {
  it('[workflows.list] tells the last run of each, and what is wrong with its draft where asked', async () => {
    const { id } = await make('Half done', [query('a', { tool_name: 'sqlite_querry' }), query('b')])
    const { items } = await rt.ok('GET', '/v1/workflows?problems_in=production')
    expect(items.find((w: { id: string }) => w.id === id)).toMatchObject({ last_run: null, problems: { errors: 1, warnings: 0 } })
    const demo = items.find((w: { name: string }) => w.name === 'Daily sales')
    expect(demo).toMatchObject({ problems: { errors: 0, warnings: 0 }, last_run: { run_id: expect.stringMatching(/^run_/) } })
    const again = await rt.ok('POST', `/v1/workflows/${demo.id}/command`, { command: 'start' })
    await ended(rt, demo.id, again.run_id)
    const quiet = (await rt.ok('GET', '/v1/workflows?q=Daily')).items[0]
    expect(quiet).toMatchObject({ problems: null, last_run: { run_id: again.run_id, status: 'completed' } })
  })

  it('[workflows.archive] an archived workflow is in a list of its own, changes no more, and comes back whole', async () => {
    const { id } = await make('Gone and back', [query('a')])
    await rt.ok('POST', `/v1/workflows/${id}/versions`, {})
    await rt.ok('DELETE', `/v1/workflows/${id}`)
    const ids = async (archived: boolean) =>
      (await rt.ok('GET', `/v1/workflows?archived=${archived}`)).items.map((w: { id: string }) => w.id) as string[]
    expect(await ids(false)).not.toContain(id)
    expect(await ids(true)).toEqual([id])
    expect((await rt.api('PATCH', `/v1/workflows/${id}`, { name: 'No' })).status).toBe(409)
    expect(await rt.ok('POST', `/v1/workflows/${id}/restore`)).toMatchObject({ id, archived: false, latest_version: 1 })
    expect(await ids(true)).toEqual([])
    expect(await ids(false)).toContain(id)
    expect((await rt.api('PATCH', `/v1/workflows/${id}`, { name: 'Yes' })).status).toBe(200)
  })
})

describe('secrets where they do not belong', () => {
  const key = tokens.classic
  const noneWas = async (path: string, body: unknown, where: string) => {
    const answer = await rt.api('POST', path, body)
    expect(answer).toMatchObject({ status: 422, body: { code: 'SECRET_IN_GRAPH', details: { path: where } } })
    expect(answer.text).not.toContain(key)
  }

  it('[graph.guard-everywhere] in arguments of a tool, instances and profiles they are refused, and nothing is done', async () => {
    const count = async () => (await call(rt, shop, 'sqlite_query', { sql: 'select count(*) as n from orders' })).body.result.rows[0].n
    const before = [await count(), await rt.ok('GET', '/v1/mcp/instances')]
    await noneWas(
      `/v1/mcp/instances/${shop}/tools/sqlite_exec/call`,
      { args: { sql: 'delete from orders where product <> ?', args: [key] } },
      'args.args[0]',
    )
    await noneWas('/v1/mcp/instances', { slug: 'sqlite', name: 'x', config: { note: { deep: key } } }, 'config.note.deep')
    const profiles = `/v1/mcp/instances/${shop}/config-profiles`
    await noneWas(profiles, { name: 'x', environment: 'sandbox', config: { note: key } }, 'config.note')
    await noneWas(profiles, { name: 'x', environment: 'sandbox', config: {}, source_spec: { at: [key] } }, 'source_spec.at[0]')
    expect([await count(), await rt.ok('GET', '/v1/mcp/instances')]).toEqual(before)
  })
})
