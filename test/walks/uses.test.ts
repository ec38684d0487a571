/** Every use of a secret is on record: who, in which run and step, with which tool, where to, in which version. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startUpstream, type Upstream } from '../faults/upstream.ts'
import { runtime, type TestRuntime } from '../harness.ts'
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
