/** What can be done with a run: conditions, tries, time limits, failing fast, pausing, stopping, trying again. Over HTTP alone. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { key, startAnyApi } from '../fakes/any-api.ts'
import { replies, startGithub, tokens } from '../fakes/github.ts'
import type { Stub } from '../fakes/stub.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { command, connected, context, ended, events, published, ran, reached, type Step, start, told } from './acts.ts'

let rt: TestRuntime
let github: Stub
let api: Stub
let hub = ''
let any = ''

beforeAll(async () => {
  ;[github, api] = await Promise.all([startGithub(), startAnyApi('bearer')])
  rt = await runtime({ allowPrivate: [github.url, api.url] })
  hub = (await connected(rt, { provider: 'github', credentials: { api_key: tokens.classic }, config: { api_base: github.url } })).instance
  any = (await connected(rt, { provider: 'http', credentials: { api_key: key }, config: { base_url: api.url } })).instance
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await Promise.all([github?.close(), api?.close()])
})
afterEach(() => {
  github.reset()
  api.reset()
})

const repo = { owner: 'octocat', repo: 'hello-world' }
const user = (id: string, more: Record<string, unknown> = {}): Step => ({
  id,
  instance_id: hub,
  tool_name: 'get_user',
  tool_args: { username: 'octocat' },
  ...more,
})
const issue = (id: string, more: Record<string, unknown> = {}): Step => ({
  id,
  instance_id: hub,
  tool_name: 'create_issue',
  tool_args: { ...repo, title: id },
  ...more,
})
const items = (id: string, more: Record<string, unknown> = {}): Step => ({
  id,
  instance_id: any,
  tool_name: 'http_request',
  tool_args: { method: 'GET', path: '/v1/items', query: { limit: 2 } },
  ...more,
})

describe('which steps run', () => {
  it('[graph.conditions] skips by condition, by enabled, by exclusion and by selection, and says why', async () => {
    const workflow = await published(rt, 'Choices', [
      user('look'),
      user('yes', { depends_on: ['look'], condition: '{{steps.look.result.login}} == "octocat" and {{input.n}} > 2' }),
      user('no', { depends_on: ['look'], condition: '{{input.n}} > 200' }),
      user('off', { enabled: false }),
      user('after', { depends_on: ['no', 'off'] }),
    ])
    const all = await ran(rt, workflow, { n: 3 })
    expect(all.run.status).toBe('completed')
    expect(all.told).toContain('step_completed no skipped: condition_false')
    expect(all.told).toContain('step_completed off skipped: step_disabled')
    expect(Object.fromEntries(all.run.steps.map((s: { step_id: string; state: string }) => [s.step_id, s.state]))).toEqual({
      look: 'completed',
      yes: 'completed',
      no: 'skipped',
      off: 'skipped',
      after: 'completed',
    })
    expect(github.requests).toHaveLength(3)

    github.reset()
    const some = await ran(rt, workflow, { trigger_payload: { n: 3 }, excluded_step_ids: ['yes', 'no'] })
    expect(some.told.filter((l) => l.includes('excluded')).sort()).toEqual([
      'step_completed no skipped: excluded',
      'step_completed yes skipped: excluded',
    ])
    expect(github.requests).toHaveLength(2)

    github.reset()
    const only = await ran(rt, workflow, { n: 3, trigger_steps: ['look'] })
    expect(only.told).toContain('step_completed look')
    expect(only.told.filter((l) => l.includes('excluded'))).toHaveLength(4)
    expect(github.requests).toHaveLength(1)
    const nobody = await rt.api('POST', `/v1/workflows/${workflow}/command`, { command: 'start', params: { trigger_steps: ['nobody'] } })
    expect(nobody).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT', error: expect.stringContaining('nobody') } })
  })

  it('[runs.setup] defaults of the run setup come under what is sent, and only when they are asked for', async () => {
    const workflow = await published(rt, 'Setup', [user('a', { condition: '{{input.go}} == true' })], {
      run_setup: { go: true, by: 'setup' },
    })
    const first = await ran(rt, workflow, { use_run_setup_defaults: true, by: 'caller' })
    expect(first.steps.a.state).toBe('completed')
    expect((await context(rt, workflow, first.id)).input).toEqual({ go: true, by: 'caller' })
    expect((await ran(rt, workflow)).run.failure).toMatchObject({ code: 'TEMPLATE_UNRESOLVED' })
  })

  it('[runs.version] a run executes the version that was published last, not the draft', async () => {
    const workflow = await published(rt, 'Versions', [user('old')])
    await rt.ok('PATCH', `/v1/workflows/${workflow}`, { graph: { steps: [{ type: 'mcp_call', ...user('new') }] } })
    expect(Object.keys((await ran(rt, workflow)).steps)).toEqual(['old'])
    await rt.ok('POST', `/v1/workflows/${workflow}/versions`, {})
    const { steps, run } = await ran(rt, workflow)
    expect(Object.keys(steps)).toEqual(['new'])
    expect(run.version).toBe(2)
    const versions = await rt.ok('GET', `/v1/workflows/${workflow}/versions?limit=1`)
    expect(versions).toMatchObject({ items: [{ version: 2 }], next_cursor: expect.any(String) })
    const older = await rt.ok('GET', `/v1/workflows/${workflow}/versions?limit=1&cursor=${versions.next_cursor}`)
    expect(older).toMatchObject({ items: [{ version: 1, graph_snapshot: { steps: [{ id: 'old' }] } }], next_cursor: null })
  })
})

describe('when a call goes wrong', () => {
  it('[runs.retry-count] tries again after a 503, even a write, because nothing was done', async () => {
    const workflow = await published(rt, 'Again', [issue('open', { retry_count: 2 })])
    github.next({ kind: 'reply', reply: replies.status(503, 'Down for a moment') })
    const { run, told: lines, events: list } = await ran(rt, workflow)
    expect(run.status).toBe('completed')
    expect(lines).toEqual([
      'run_started',
      'step_started open',
      'step_retrying open',
      'step_started open',
      'step_completed open',
      'state_changed running → completed',
    ])
    expect(list.filter((e) => e.event_type === 'step_started').map((e) => e.attempt)).toEqual([1, 2])
    expect(list[2]?.data).toMatchObject({ code: 'UPSTREAM_ERROR' })
    expect(github.requests).toHaveLength(2)
  })

  it('[runs.no-repeat] does not repeat a write whose outcome nobody knows', async () => {
    const workflow = await published(rt, 'Never twice', [issue('open', { retry_count: 2 })])
    github.next({ kind: 'cut' })
    const { run } = await ran(rt, workflow)
    expect(run).toMatchObject({ status: 'failed', failure: { code: 'UPSTREAM_ERROR', step_id: 'open' } })
    expect(github.requests).toHaveLength(1)
  })

  it('[runs.timeout] ends a step that takes longer than timeout_s', async () => {
    const workflow = await published(rt, 'Slow', [items('slow', { timeout_s: 1 })])
    api.next({ kind: 'slow' })
    const { run } = await ran(rt, workflow)
    expect(run).toMatchObject({ status: 'failed', failure: { code: 'STEP_TIMED_OUT', step_id: 'slow' } })
    expect(run.failure.message).toMatch(/1 s/)
  })

  it('[runs.fail-fast] the first failure cancels what is in flight and blocks the rest', async () => {
    const workflow = await published(rt, 'Fail fast', [
      items('slow'),
      issue('bad', { tool_name: 'get_repo', tool_args: { owner: 'octocat', repo: 'absent' } }),
      items('later', { depends_on: ['slow'] }),
      user('last', { depends_on: ['bad', 'later'] }),
    ])
    api.next({ kind: 'slow' })
    const { run, told: lines } = await ran(rt, workflow)
    expect(run).toMatchObject({ status: 'failed', failure: { step_id: 'bad', reason: 'UPSTREAM_NOT_FOUND' } })
    expect(lines).toEqual([
      'run_started',
      'step_started slow',
      'step_started bad',
      'step_failed bad',
      'step_cancelled slow',
      'step_completed later skipped: blocked',
      'step_completed last skipped: blocked',
      'state_changed running → failed',
    ])
  })

  it('[runs.retry] goes on with a failed run: finished steps are kept, or done again from one step on', async () => {
    const workflow = await published(rt, 'Mend', [
      issue('one'),
      issue('two', { depends_on: ['one'] }),
      user('three', { depends_on: ['two'] }),
    ])
    github.next(
      {
        kind: 'reply',
        reply: { status: 201, body: { number: 66, title: 'one', state: 'open', html_url: 'https://github.com/o/r/issues/66' } },
      },
      { kind: 'reply', reply: replies.denied() },
    )
    const { id, run } = await ran(rt, workflow)
    expect(run).toMatchObject({ status: 'failed', failure: { step_id: 'two' } })
    const sent = () => github.requests.map((r) => (r.method === 'POST' ? JSON.parse(r.body).title : r.path))
    expect(sent()).toEqual(['one', 'two'])
    const path = `/v1/workflows/${workflow}/runs/${id}/retry`
    await rt.ok('POST', path, {})
    expect(await ended(rt, workflow, id)).toMatchObject({ status: 'completed', failure: null })
    expect(sent()).toEqual(['one', 'two', 'two', '/users/octocat'])
    expect(await rt.api('POST', path, {})).toMatchObject({ status: 409, body: { code: 'CONFLICT' } })

    const again = await published(rt, 'Mend from', [issue('one'), user('two', { depends_on: ['one'], condition: '{{input.x}} == 1' })])
    const second = await ran(rt, again)
    expect(second.run.failure).toMatchObject({ code: 'TEMPLATE_UNRESOLVED', step_id: 'two' })
    github.reset()
    await rt.ok('POST', `/v1/workflows/${again}/runs/${second.id}/retry`, { from_step_id: 'one' })
    await ended(rt, again, second.id)
    expect(sent()).toEqual(['one'])
  })
})

describe('pause, resume, stop', () => {
  const slowThenMore = (name: string) => published(rt, name, [items('slow'), user('next', { depends_on: ['slow'] })])
  /** A run whose first step hangs at the upstream. */
  async function hanging(name: string): Promise<{ workflow: string; run: string }> {
    const workflow = await slowThenMore(name)
    api.next({ kind: 'slow' })
    const arrived = api.arrived()
    const { run_id: run } = await start(rt, workflow)
    await arrived
    return { workflow, run }
  }

  it('[runs.pause] lets what is in flight finish, starts nothing, and goes on where it was', async () => {
    const { workflow, run } = await hanging('Pause')
    expect((await command(rt, workflow, run, 'pause')).status).toBe(202)
    api.release()
    await reached(rt, workflow, run, 'paused')
    expect(github.requests).toEqual([])
    expect((await command(rt, workflow, run, 'resume')).status).toBe(202)
    expect((await ended(rt, workflow, run)).status).toBe('completed')
    expect(told(await events(rt, workflow, run))).toEqual([
      'run_started',
      'step_started slow',
      'step_completed slow',
      'state_changed running → paused',
      'state_changed paused → running',
      'step_started next',
      'step_completed next',
      'state_changed running → completed',
    ])
    expect(await command(rt, workflow, run, 'resume')).toMatchObject({ status: 409, body: { code: 'CONFLICT' } })
  })

  it('[runs.stop] stop cancels what is in flight', async () => {
    const { workflow, run } = await hanging('Stop')
    await command(rt, workflow, run, 'stop')
    expect(await ended(rt, workflow, run)).toMatchObject({ status: 'stopped' })
    expect(told(await events(rt, workflow, run))).toEqual([
      'run_started',
      'step_started slow',
      'step_cancelled slow',
      'step_completed next skipped: blocked',
      'state_changed running → stopped',
    ])
  })

  it('[runs.stop] a graceful stop lets what is in flight finish', async () => {
    const { workflow, run } = await hanging('Stop gently')
    expect((await command(rt, workflow, run, 'stop', 'graceful')).body.status).toBe('draining')
    api.release()
    expect(await ended(rt, workflow, run)).toMatchObject({ status: 'stopped' })
    expect(told(await events(rt, workflow, run))).toEqual([
      'run_started',
      'step_started slow',
      'step_completed next skipped: blocked',
      'state_changed running → draining',
      'step_completed slow',
      'state_changed draining → stopped',
    ])
    expect(github.requests).toEqual([])
  })

  it('[runs.stop] a paused run can be stopped, and a stopped one tried again', async () => {
    const { workflow, run } = await hanging('Stop while paused')
    await command(rt, workflow, run, 'pause')
    api.release()
    await reached(rt, workflow, run, 'paused')
    await command(rt, workflow, run, 'stop')
    await reached(rt, workflow, run, 'stopped')
    await rt.ok('POST', `/v1/workflows/${workflow}/runs/${run}/retry`, {})
    expect((await ended(rt, workflow, run)).status).toBe('completed')
    expect(api.requests).toHaveLength(1) // the finished step was kept
  })

  it('[runs.feed] lists runs newest first, by status, over all workflows and of one', async () => {
    const workflow = await published(rt, 'Feed', [user('a')])
    const { id } = await ran(rt, workflow)
    expect((await rt.ok('GET', '/v1/runs?limit=1')).items).toMatchObject([{ run_id: id, workflow_name: 'Feed', status: 'completed' }])
    expect((await rt.ok('GET', `/v1/workflows/${workflow}/runs?status=failed`)).items).toEqual([])
    const page = await rt.ok('GET', '/v1/runs?limit=2&status=completed')
    const next = await rt.ok('GET', `/v1/runs?limit=2&status=completed&cursor=${page.next_cursor}`)
    const ids = [...page.items, ...next.items].map((r: { run_id: string }) => r.run_id)
    expect(new Set(ids).size).toBe(4)
    await until(
      async () => (await rt.ok('GET', `/v1/workflows/${workflow}/runs?since=2000-01-01T00:00:00Z`)).items.length === 1,
      'the run in the feed',
    )
  })
})
