/** Whatever is wrong with a request is said in one sentence with a code, and leaves nothing behind. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newToken } from '../../src/access/index.ts'
import { startGithub, tokens } from '../fakes/github.ts'
import type { Stub } from '../fakes/stub.ts'
import { type Answer, runtime, type TestRuntime } from '../harness.ts'
import { behindTheScenes, call, connected, graphOf, published, ran } from './acts.ts'
import { rowCounts } from './tenants.ts'

let rt: TestRuntime
let github: Stub
let instance = ''
let bound = ''
let workflow = ''

beforeAll(async () => {
  github = await startGithub()
  rt = await runtime({ allowPrivate: [github.url] })
  const made = await connected(rt, { provider: 'github', credentials: { api_key: tokens.classic }, config: { api_base: github.url } })
  instance = made.instance
  bound = made.connection
  await rt.ok('PUT', '/v1/oauth-apps/google', { client_id: 'x' })
  workflow = await published(rt, 'Fine', [{ id: 'a', instance_id: instance, tool_name: 'get_user', tool_args: { username: 'octocat' } }])
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await github?.close()
})

/** One sentence, a code, the request's id, no stack and no internals. */
function refused(answer: Answer, status: number, code: string): void {
  expect({ status: answer.status, code: answer.body?.code, error: answer.body?.error }).toMatchObject({ status, code })
  const { error, hint, request_id, details } = answer.body
  expect(error).toMatch(/^.{8,400}$/)
  expect(error + (hint ?? '')).not.toMatch(/\n| {4}at |node_modules|undefined|\[object|violates|syntax error/)
  expect(details).toBeTypeOf('object')
  expect(request_id).toMatch(/^req_/)
  expect(answer.headers.get('x-request-id')).toBe(request_id)
}

/** Runs `work` and compares the rows of every table, but of those that a refusal may be recorded in. */
async function leavesNothing(work: () => Promise<void>, except: readonly string[] = []): Promise<void> {
  const before = await rowCounts(rt)
  await work()
  const after = await rowCounts(rt)
  for (const table of except) after[table] = before[table] as number
  expect(after).toEqual(before)
}

const connection = { display_name: 'x', provider: 'github', credentials: { api_key: tokens.narrow } }
const postgres = (dsn: string) => ({ display_name: 'x', provider: 'postgres', credentials: { dsn } })
const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) })

type Case = [
  name: string,
  method: string,
  path: string,
  body: unknown,
  status: number,
  code: string,
  says?: RegExp,
  headers?: Record<string, string>,
]
const app = { provider: 'oauth2', client_id: 'x', authorization_endpoint: 'https://id.example/a', token_endpoint: 'https://id.example/t' }
const CASES: Case[] = [
  ['an unknown provider', 'POST', '/v1/connections', { ...connection, provider: 'gitlob' }, 400, 'INVALID_INPUT', /gitlob/],
  ['an unknown service', 'POST', '/v1/connections', { ...connection, provider: 'http', service: 'magic' }, 400, 'INVALID_INPUT', /magic/],
  [
    'an unknown credential field',
    'POST',
    '/v1/connections',
    { ...connection, credentials: { apikey: 'x' } },
    400,
    'INVALID_INPUT',
    /credentials\.apikey/,
  ],
  ['a missing credential field', 'POST', '/v1/connections', { ...connection, credentials: {} }, 422, 'CREDENTIAL_MALFORMED', /api_key/],
  [
    'a key that is too short',
    'POST',
    '/v1/connections',
    { ...connection, credentials: { api_key: 'short' } },
    422,
    'CREDENTIAL_MALFORMED',
    /20 char/,
  ],
  ['a DSN that is none', 'POST', '/v1/connections', postgres('mysql://a:b@c/d'), 422, 'CREDENTIAL_MALFORMED', /postgres:\/\/|key=value/],
  [
    'a DSN with a bad port',
    'POST',
    '/v1/connections',
    postgres('postgres://a:hush-hush@h.example:99999/d'),
    422,
    'CREDENTIAL_MALFORMED',
    /port/i,
  ],
  [
    'a DSN to the metadata address',
    'POST',
    '/v1/connections',
    postgres('postgres://a:b@169.254.169.254/d'),
    422,
    'EGRESS_BLOCKED',
    /169\.254\.169\.254/,
  ],
  ['a DSN to it as a number', 'POST', '/v1/connections', postgres('postgres://a:b@2852039166/d'), 422, 'EGRESS_BLOCKED', /connect to/],
  ['a DSN to it as a name', 'POST', '/v1/connections', postgres('postgres://a:b@169.254.169.254./d'), 422, 'EGRESS_BLOCKED', /connect to/],
  [
    'a DSN to it inside IPv6',
    'POST',
    '/v1/connections',
    postgres('postgres://a:b@[::ffff:a9fe:a9fe]/d'),
    422,
    'EGRESS_BLOCKED',
    /connect to/,
  ],
  [
    'a DSN to a name of this machine',
    'POST',
    '/v1/connections',
    postgres('postgres://a:b@localhost:5432/d'),
    422,
    'EGRESS_BLOCKED',
    /localhost/,
  ],
  ['an unknown field', 'POST', '/v1/connections', { ...connection, colour: 'red' }, 400, 'INVALID_INPUT', /unknown field colour/],
  ['a field of the wrong type', 'POST', '/v1/connections', { ...connection, display_name: 7 }, 400, 'INVALID_INPUT', /display_name/],
  ['a missing field', 'POST', '/v1/connections', { provider: 'github', credentials: {} }, 400, 'INVALID_INPUT', /display_name: is missing/],
  ['a NUL in a name', 'POST', '/v1/connections', { ...connection, display_name: 'a\0b' }, 400, 'INVALID_INPUT', /NUL/],
  [
    'a NUL in a source_spec',
    'POST',
    '/v1/mcp/instances/INSTANCE/config-profiles',
    { name: 'x', source_spec: { note: '\0' } },
    400,
    'INVALID_INPUT',
    /NUL/,
  ],
  ['a key that comes twice', 'POST', '/v1/connections', '{"provider":"github","provider":"http"}', 400, 'BAD_REQUEST', /provider.*twice/],
  ['__proto__', 'POST', '/v1/connections', '{"__proto__":{"x":1}}', 400, 'BAD_REQUEST', /__proto__/],
  ['an escaped __proto__', 'POST', '/v1/connections', '{"credentials":{"\\u005f_proto__":1}}', 400, 'BAD_REQUEST', /__proto__/],
  ['broken JSON', 'POST', '/v1/connections', '{"display_name": "secret-in-here', 400, 'BAD_REQUEST', /^(?!.*secret-in-here)/],
  ['a body that is a list', 'POST', '/v1/connections', '[]', 400, 'BAD_REQUEST', /object/],
  ['a body that is too deep', 'POST', '/v1/workflows', { name: 'x', graph: nested(70) }, 400, 'BAD_REQUEST', /64/],
  [
    'a body with too many keys',
    'POST',
    '/v1/workflows',
    { name: 'x', graph: Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`k${i}`, 1])) },
    400,
    'BAD_REQUEST',
    /10000/,
  ],
  [
    'the wrong content type',
    'POST',
    '/v1/connections',
    JSON.stringify(connection),
    415,
    'UNSUPPORTED_MEDIA_TYPE',
    /application\/json/,
    { 'content-type': 'text/plain' },
  ],
  [
    'a compressed body',
    'POST',
    '/v1/connections',
    JSON.stringify(connection),
    415,
    'UNSUPPORTED_MEDIA_TYPE',
    /compressed/,
    { 'content-encoding': 'gzip' },
  ],
  ['2 MB with their length', 'POST', '/v1/workflows', { name: 'x', graph: 'x'.repeat(2_000_000) }, 413, 'TOO_LARGE', /1024 KiB/],
  [
    'a graph with a secret of a known form',
    'POST',
    '/v1/workflows',
    { name: 'x', graph: { steps: [{ id: 'a', note: `ghp_${'a1B2'.repeat(9)}` }] } },
    422,
    'SECRET_IN_GRAPH',
    /graph\.steps\[0\]\.note/,
  ],
  ['a graph that is none', 'POST', '/v1/workflows', { name: 'x', graph: { nodes: [] } }, 422, 'GRAPH_INVALID', /steps/],
  [
    'two steps of one name',
    'POST',
    '/v1/workflows',
    { name: 'x', graph: { steps: [{ id: 'a' }, { id: 'a' }] } },
    422,
    'GRAPH_INVALID',
    /`a`/,
  ],
  ['a server that is not on the shelf', 'POST', '/v1/mcp/instances', { slug: 'nope' }, 400, 'INVALID_INPUT', /nope/],
  [
    'a connection that is not there',
    'POST',
    '/v1/mcp/instances',
    { slug: 'github', connection_id: 'conn_none' },
    404,
    'NOT_FOUND',
    /conn_none/,
  ],
  [
    'a config field that is not there',
    'POST',
    '/v1/mcp/instances',
    { slug: 'github', config: { api_bass: 'x' } },
    400,
    'INVALID_INPUT',
    /api_bass/,
  ],
  ['an app with an odd name', 'PUT', '/v1/oauth-apps/My%20App', app, 400, 'INVALID_INPUT', /slug: lower-case/],
  ['an app of a provider that is not there', 'PUT', '/v1/oauth-apps/x', { ...app, provider: 'gooogle' }, 400, 'INVALID_INPUT', /gooogle/],
  [
    'an app without an address',
    'PUT',
    '/v1/oauth-apps/x',
    { provider: 'oauth2', client_id: 'x' },
    400,
    'INVALID_INPUT',
    /authorization_endpoint/,
  ],
  [
    'an app at an address that is none',
    'PUT',
    '/v1/oauth-apps/x',
    { ...app, token_endpoint: 'file:///etc/passwd' },
    400,
    'INVALID_INPUT',
    /token_endpoint/,
  ],
  [
    'an app whose issuer is the metadata address',
    'PUT',
    '/v1/oauth-apps/x',
    { provider: 'oauth2', client_id: 'x', issuer: 'http://169.254.169.254' },
    422,
    'EGRESS_BLOCKED',
    /169\.254\.169\.254/,
  ],
  ['an app without its client', 'PUT', '/v1/oauth-apps/x', { provider: 'oauth2' }, 400, 'INVALID_INPUT', /client_id: is missing/],
  ['an app that is not there', 'GET', '/v1/oauth-apps/none', undefined, 404, 'NOT_FOUND', /none/],
  ['the end of an app that is not there', 'DELETE', '/v1/oauth-apps/none', undefined, 404, 'NOT_FOUND', /none/],
  ['a link of an app that is not there', 'POST', '/v1/connections/oauth/none/authorize', {}, 404, 'NOT_FOUND', /none/],
  [
    'a link for a service that is not there',
    'POST',
    '/v1/connections/oauth/google/authorize',
    { services: ['gmale'] },
    400,
    'INVALID_INPUT',
    /gmale/,
  ],
  ['a link for a scope that is two', 'POST', '/v1/connections/oauth/google/authorize', { scopes: ['a b'] }, 400, 'INVALID_INPUT', /scope/],
  [
    'a link that leads elsewhere afterwards',
    'POST',
    '/v1/connections/oauth/google/authorize',
    { return_to: '//evil.example' },
    400,
    'INVALID_INPUT',
    /return_to/,
  ],
  ['reconnecting nobody', 'POST', '/v1/connections/conn_none/reconnect', {}, 404, 'NOT_FOUND', /conn_none/],
  [
    'reconnecting what nobody signed in to',
    'POST',
    '/v1/connections/CONNECTION/reconnect',
    {},
    400,
    'INVALID_INPUT',
    /not connected by signing in/,
  ],
  [
    'services of what is no account',
    'PATCH',
    '/v1/connections/google/accounts/CONNECTION/services',
    { services: ['gmail'] },
    400,
    'INVALID_INPUT',
    /not connected by signing in/,
  ],
  ['a sign-in that was never begun', 'GET', '/v1/oauth/attempts/oatt_none', undefined, 404, 'NOT_FOUND', /oatt_none/],
  ['an original that is none', 'POST', '/v1/oauth/confirm-original', { confirm: true }, 409, 'CONFLICT', /no renewals are held/],
  ['an original by mistake', 'POST', '/v1/oauth/confirm-original', { confirm: false }, 400, 'INVALID_INPUT', /confirm/],
  ['a limit of 0', 'GET', '/v1/connections?limit=0', undefined, 400, 'INVALID_INPUT', /limit/],
  ['a limit of 201', 'GET', '/v1/runs?limit=201', undefined, 400, 'INVALID_INPUT', /limit/],
  ['a limit that is a word', 'GET', '/v1/workflows?limit=all', undefined, 400, 'INVALID_INPUT', /limit/],
  ['a cursor of nobody', 'GET', '/v1/connections?cursor=%2B%2B%2B', undefined, 400, 'INVALID_INPUT', /cursor/],
  [
    'a cursor of another list',
    'GET',
    `/v1/audit?cursor=${Buffer.from('conn_x').toString('base64url')}`,
    undefined,
    400,
    'INVALID_INPUT',
    /cursor/,
  ],
  [
    'a cursor that is too large',
    'GET',
    `/v1/audit?cursor=${Buffer.from('9'.repeat(60)).toString('base64url')}`,
    undefined,
    400,
    'INVALID_INPUT',
    /cursor/,
  ],
  ['a query parameter twice', 'GET', '/v1/connections?q=a&q=b', undefined, 400, 'BAD_REQUEST', /q was sent twice/],
  ['an unknown query parameter', 'GET', '/v1/connections?page=2', undefined, 400, 'INVALID_INPUT', /page/],
  ['a NUL in a query', 'GET', '/v1/connections?q=a%00b', undefined, 400, 'INVALID_INPUT', /NUL/],
  ['a NUL in a path', 'GET', '/v1/connections/conn_%00', undefined, 400, 'INVALID_INPUT', /NUL/],
  ['an unknown route', 'GET', '/v1/nothing', undefined, 404, 'NOT_FOUND', /GET \/v1\/nothing/],
  ['a method that is not answered', 'DELETE', '/v1/me', undefined, 405, 'METHOD_NOT_ALLOWED', /DELETE/],
  ['a connection nobody has', 'GET', '/v1/connections/conn_none', undefined, 404, 'NOT_FOUND', /conn_none/],
  ['no token', 'GET', '/v1/me', undefined, 401, 'UNAUTHENTICATED', /token/, { authorization: '' }],
  ['a token of another form', 'GET', '/v1/me', undefined, 401, 'UNAUTHENTICATED', /tokens/, { authorization: 'Bearer abc' }],
  [
    'a good token that nobody has',
    'GET',
    '/v1/me',
    undefined,
    401,
    'UNAUTHENTICATED',
    /not known/,
    { authorization: `Bearer ${newToken()}` },
  ],
  ['Basic instead of Bearer', 'GET', '/v1/me', undefined, 401, 'UNAUTHENTICATED', /Bearer/, { authorization: 'Basic YTpi' }],
  ['another workspace', 'GET', '/v1/me', undefined, 403, 'FORBIDDEN', /X-Tenant-Id/, { 'x-tenant-id': 'elsewhere' }],
  ['another project', 'GET', '/v1/me', undefined, 403, 'FORBIDDEN', /X-Project-Id/, { 'x-project-id': 'proj_elsewhere' }],
  [
    'an Idempotency-Key that is too long',
    'POST',
    '/v1/connections',
    connection,
    400,
    'BAD_REQUEST',
    /Idempotency-Key/,
    { 'idempotency-key': 'k'.repeat(256) },
  ],
]

describe('requests that are refused', () => {
  it.each(CASES)('[api.refusals] %s', async (_name, method, path, body, status, code, says, headers) => {
    await leavesNothing(async () => {
      const answer = await rt.api(method, path.replace('INSTANCE', instance).replace('CONNECTION', bound), body, headers)
      refused(answer, status, code)
      if (says) expect(answer.body.error).toMatch(says)
      if (status === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/)
      if (status === 405) expect(answer.headers.get('allow')).toBe('GET')
    })
  })

  it('[api.refusals] 2 MB without their length', async () => {
    await leavesNothing(async () => {
      const body = new Blob([JSON.stringify({ name: 'x', graph: 'x'.repeat(2_000_000) })]).stream()
      const headers = { authorization: `Bearer ${rt.pat}`, 'content-type': 'application/json' }
      const response = await fetch(`${rt.url}/v1/workflows`, { method: 'POST', body, headers, duplex: 'half' } as RequestInit)
      expect(response.status).toBe(413)
      expect(await response.json()).toMatchObject({ code: 'TOO_LARGE', request_id: response.headers.get('x-request-id') })
    })
  })

  it('[api.refusals] nothing of what was refused is in the log with its value', async () => {
    expect((await rt.api('POST', '/v1/connections', postgres('postgres://a:hush-hush-9@h.example:99999/d'))).text).not.toContain(
      'hush-hush-9',
    )
    expect((await rt.api('POST', '/v1/connections', '{"x": "hush-hush-8')).text).not.toContain('hush-hush-8')
  })
})

describe('graphs that cannot run', () => {
  const draft = async (...steps: Parameters<typeof graphOf>[0]) =>
    (await rt.ok('POST', '/v1/workflows', { name: 'Draft', graph: graphOf(steps) })).id as string
  const step = (id: string, more: Record<string, unknown> = {}) => ({
    id,
    instance_id: instance,
    tool_name: 'get_user',
    tool_args: { username: 'octocat' },
    ...more,
  })
  const issues = async (id: string) => {
    const dry = await rt.ok('POST', `/v1/workflows/${id}/validate`, {})
    expect(dry.valid).toBe(false)
    return dry.issues as { code: string; path: string; step_id: string; message: string }[]
  }

  it.each([
    ['a cycle', () => [step('a', { depends_on: ['b'] }), step('b', { depends_on: ['a'] })], 'cycle', /depends_on/],
    [
      'a template to nowhere',
      () => [step('a', { tool_args: { username: '{{steps.ghost.result.login}}' } })],
      'template_unknown_step',
      /tool_args\.username/,
    ],
    ['an unknown tool', () => [step('a', { tool_name: 'get_usher' })], 'unknown_tool', /tool_name/],
    [
      'an argument of the wrong type',
      () => [step('a', { tool_name: 'get_issue', tool_args: { owner: 'o', repo: 'r', issue_number: 'three' } })],
      'invalid_arguments',
      /issue_number/,
    ],
    ['an argument that is not there', () => [step('a', { tool_args: { username: 'o', colour: 'red' } })], 'invalid_arguments', /colour/],
    ['an instance that is not there', () => [step('a', { instance_id: 'inst_none' })], 'missing_instance', /instance_id/],
  ])('[graph.dry-run] %s shows in the dry run, and cannot be published', async (_name, steps, code, path) => {
    const id = await draft(...steps())
    const found = (await issues(id)).filter((it) => it.code === code)
    expect(found.length).toBeGreaterThan(0)
    expect(found[0]?.path).toMatch(path)
    refused(await rt.api('POST', `/v1/workflows/${id}/versions`, {}), 422, 'GRAPH_INVALID')
    expect(await rt.ok('GET', `/v1/workflows/${id}/versions`)).toEqual({ items: [], next_cursor: null })
  })

  it('[api.refusals] a workflow that was never published does not start', async () => {
    const id = await draft(step('a'))
    await leavesNothing(async () => {
      const answer = await rt.api('POST', `/v1/workflows/${id}/command`, { command: 'start' }, { 'idempotency-key': 'unpublished' })
      refused(answer, 422, 'NOT_PUBLISHED')
      expect(answer.body.hint).toBe('Publish it first.')
    })
  })

  it('[runs.template-unresolved] a template that resolves to nothing fails the step, naming the path, and makes no call', async () => {
    const id = await published(rt, 'Nothing there', [step('a', { tool_args: { username: '{{input.person.name}}' } })])
    github.reset()
    const { run } = await ran(rt, id, { person: { nom: 'x' } })
    expect(run).toMatchObject({
      status: 'failed',
      failure: { code: 'TEMPLATE_UNRESOLVED', step_id: 'a', details: { path: 'input.person.name' } },
    })
    expect(github.requests).toEqual([])
  })

  it('[api.refusals] calls of a tool that is not there, or with wrong arguments, are recorded and reach nobody', async () => {
    github.reset()
    await leavesNothing(async () => {
      refused(await call(rt, instance, 'get_usher'), 422, 'TOOL_REFUSED')
      const wrong = await call(rt, instance, 'get_issue', { owner: 'octocat', repo: 'hello-world', issue_number: 'three' })
      refused(wrong, 400, 'INVALID_INPUT')
      expect(wrong.body.error).toMatch(/issue_number/)
      refused(await call(rt, instance, 'get_user', {}, { environment: 'sandbox' }), 422, 'BINDING_MISSING')
      refused(await call(rt, 'inst_none', 'get_user'), 404, 'NOT_FOUND')
    }, ['tool_calls'])
    expect(github.requests).toEqual([])
  })

  it.each([
    ['pause without a run', { command: 'pause' }, 400, 'INVALID_INPUT'],
    ['a run that is not there', { command: 'pause', params: { run_id: 'run_none' } }, 404, 'NOT_FOUND'],
    ['a command that is none', { command: 'begin' }, 400, 'INVALID_INPUT'],
    ['a run id with odd characters', { command: 'start', params: { run_id: 'a b' } }, 400, 'INVALID_INPUT'],
  ])('[api.refusals] %s', async (_name, body, status, code) => {
    await leavesNothing(async () => refused(await rt.api('POST', `/v1/workflows/${workflow}/command`, body), status, code))
  })
})

describe('tokens', () => {
  it('[access.pat-expiry] an expired token is told from an unknown one', async () => {
    const { id, token } = await rt.mint({ display_name: 'Old', scopes: ['connection:read'] })
    await using db = await behindTheScenes(rt)
    await db.rows("update pats set expires_at = now() - interval '1 day' where id = $1", [id])
    refused(await rt.api('GET', '/v1/me', undefined, { authorization: `Bearer ${token}` }), 401, 'TOKEN_EXPIRED')
  })

  it('[access.scopes] a token without the scope is told which one, and the refusal is in the audit log', async () => {
    const { token } = await rt.mint({ display_name: 'Narrow', scopes: ['connection:read'] })
    const narrow = { authorization: `Bearer ${token}` }
    await leavesNothing(async () => {
      const answer = await rt.api('POST', '/v1/connections', connection, narrow)
      refused(answer, 403, 'FORBIDDEN')
      expect(answer.body.error).toContain('connection:write')
      const [entry] = (await rt.ok('GET', '/v1/audit?limit=1')).items
      expect(entry).toMatchObject({ action: 'connections.create', entry: { outcome: 'refused', request_id: answer.body.request_id } })
    }, ['audit_entries'])
    expect((await rt.api('GET', '/v1/connections', undefined, narrow)).status).toBe(200)
    const giving = await rt.api('POST', '/v1/pats', { display_name: 'More', scopes: ['pat:write'] }, narrow)
    refused(giving, 403, 'FORBIDDEN')
  })
})
