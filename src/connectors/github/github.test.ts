import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import { RESET_IN_S, replies, startGithub, tokens } from '../../../test/fakes/github.ts'
import type { Reply, Stub } from '../../../test/fakes/stub.ts'
import { contents } from './files.ts'
import github, { expiry } from './index.ts'
import { judge } from './judge.ts'

let stub: Stub
beforeAll(async () => {
  stub = await startGithub()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const hello = { owner: 'octocat', repo: 'hello-world' }
const as = (api_key: string) => toolContext(github, { credentials: { api_key }, config: { api_base: stub.url } })
async function call(name: string, input: object, ctx = as(tokens.classic)): Promise<Record<string, unknown>> {
  const tool = github.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const sent = () => stub.requests.map(({ method, path, query }) => `${method} ${path}${query.size > 0 ? `?${query}` : ''}`)

describe('who the token is', () => {
  it('reads account, scopes and expiry of a classic token', async () => {
    expect(await github.auth.check(as(tokens.classic))).toEqual({
      account: { id: '583231', label: 'octocat' },
      granted_scopes: ['repo', 'read:org'],
      expires_at: '2027-10-12T09:00:00.000Z',
    })
  })

  it('[connectors.unknown-scopes] a fine-grained token has scopes that GitHub does not tell, not none', async () => {
    expect(await github.auth.check(as(tokens.fineGrained))).toMatchObject({ granted_scopes: null, expires_at: '2027-03-30T15:00:00.000Z' })
  })

  it.each(['expired', 'revoked'] as const)('an %s token is rejected', async (kind) => {
    await expect(github.auth.check(as(tokens[kind]))).rejects.toMatchObject({
      code: 'CREDENTIAL_REJECTED',
      message: expect.stringContaining('Bad credentials'),
    })
  })

  it.each([
    ['2027-10-12 09:00:00 UTC', '2027-10-12T09:00:00.000Z'],
    ['2027-03-31 00:00:00 +0900', '2027-03-30T15:00:00.000Z'],
    ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z'],
    ['next week', null],
    ['2027-13-45 09:00:00 UTC', null],
    [null, null],
  ])('expiry %s is %s', (header, at) => {
    expect(expiry(header)).toBe(at)
  })

  it('sends the headers that GitHub asks for', async () => {
    await call('get_authenticated_user', {})
    expect(stub.requests[0]?.headers).toMatchObject({
      accept: 'application/vnd.github+json',
      'x-github-api-version': '2022-11-28',
      'user-agent': 'AgentRuntime',
      authorization: `Bearer ${tokens.classic}`,
    })
  })
})

describe('what a refusal means', () => {
  const heard = ({ status, headers, body }: Reply) => judge({ status, headers: new Headers(headers), body })
  it.each([
    ['a missing permission', { ...replies.status(403, 'Resource not accessible by personal access token') }, 'SCOPE_MISSING', 'permission'],
    ['single sign-on', replies.sso(), 'SCOPE_MISSING', 'sso'],
    ['an archived repository', replies.denied(), 'SCOPE_MISSING', 'denied'],
    ['the primary limit', replies.primary(), 'UPSTREAM_RATE_LIMITED', undefined],
    ['a secondary limit', replies.secondary(9), 'UPSTREAM_RATE_LIMITED', undefined],
    [
      'a limit by its header alone',
      { ...replies.status(403, 'Abuse detected'), headers: { 'retry-after': '30' } },
      'UPSTREAM_RATE_LIMITED',
      undefined,
    ],
    ['a secondary limit by its sentence', replies.secondary(), 'UPSTREAM_RATE_LIMITED', undefined],
  ])('[connectors.403-told-apart] a 403 for %s', (_, reply, code, reason) => {
    const verdict = heard(reply)
    expect(verdict?.code).toBe(code)
    expect(verdict?.details?.reason).toBe(reason)
  })

  it('a classic token without the scope is told which one it needs', async () => {
    await expect(call('create_issue', { ...hello, title: 'x' }, as(tokens.narrow))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      details: { status: 403, reason: 'permission', accepted_scopes: ['repo', 'public_repo'] },
      hint: 'Give the token one of the scopes repo, public_repo.',
    })
  })

  it('a fine-grained token is told which permission', async () => {
    await expect(call('create_issue', { ...hello, title: 'x' }, as(tokens.fineGrained))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      hint: 'Give the token contents=write.',
    })
  })

  it('single sign-on comes with the page that grants it', () => {
    expect(heard(replies.sso())?.details?.authorize_url).toBe('https://github.com/orgs/octo-org/sso?authorization_request=AZ1')
  })

  it('a private repository that the token cannot see may just be invisible', async () => {
    const there = { owner: 'octocat', repo: 'private-world' }
    expect(await call('get_repo', there)).toMatchObject({ private: true })
    await expect(call('get_repo', there, as(tokens.narrow))).rejects.toMatchObject({
      code: 'UPSTREAM_NOT_FOUND',
      message: 'GitHub: not found or not visible to this token (404).',
    })
  })

  it.each([
    ['merge_pull_request', { ...hello, pull_number: 8 }, 'UPSTREAM_CONFLICT', /not mergeable/],
    ['merge_pull_request', { ...hello, pull_number: 7, sha: '0'.repeat(40) }, 'UPSTREAM_CONFLICT', /Head branch was modified/],
    ['delete_file', { ...hello, path: 'docs/old.md', message: 'm', sha: 'stale' }, 'UPSTREAM_CONFLICT', /does not match/],
    ['create_pull_request', { ...hello, title: 't', head: 'gone', base: 'main' }, 'UPSTREAM_INVALID', /Validation Failed; head invalid/],
    ['create_branch', { ...hello, branch: 'topic', from_branch: 'main' }, 'UPSTREAM_INVALID', /Reference already exists/],
    ['get_issue', { ...hello, issue_number: 410 }, 'UPSTREAM_NOT_FOUND', /was deleted/],
  ])('%s with %j', async (name, input, code, message) => {
    await expect(call(name, input)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })
})

describe('limits', () => {
  it('the primary limit hands back the time until it starts anew', async () => {
    stub.next({ kind: 'reply', reply: replies.primary() })
    const ctx = as(tokens.classic)
    const fault = await call('get_repo', hello, ctx).catch((error: unknown) => error)
    expect(fault).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED' })
    const { retryAfter } = fault as { retryAfter: number }
    expect(Math.abs(retryAfter - RESET_IN_S)).toBeLessThanOrEqual(2)
    expect(ctx.waits).toEqual([])
  })

  it('a short secondary limit is waited for, one without a time is a minute for the run', async () => {
    stub.next({ kind: 'reply', reply: replies.secondary(9) })
    const ctx = as(tokens.classic)
    await call('get_repo', hello, ctx)
    expect(ctx.waits).toEqual([9000])
    stub.next({ kind: 'reply', reply: replies.secondary() })
    await expect(call('get_repo', hello)).rejects.toMatchObject({ retryAfter: 60 })
  })
})

describe('lists', () => {
  it.each(Object.entries(github.tools).filter(([, tool]) => 'per_page' in (tool.input as unknown as { shape: object }).shape))(
    '[connectors.pages] %s walks three pages to the end',
    async (name, tool) => {
      const seen: unknown[] = []
      for (const page of [1, 2, 3]) seen.push((await call(name, { ...(tool.example as object), page })).next_page)
      expect(seen).toEqual([2, 3, null])
    },
  )

  it('issues come without pull requests', async () => {
    const { items } = (await call('list_issues', { ...hello, per_page: 6 })) as { items: { number: number }[] }
    expect(items.map((it) => it.number)).toEqual([1, 2, 4, 5])
  })

  it('search keeps the counts', async () => {
    expect(await call('search_users', { q: 'octo', per_page: 100 })).toMatchObject({
      total_count: 65,
      incomplete_results: false,
      next_page: null,
    })
  })
})

describe('branches and files', () => {
  it('a branch starts at the tip of another, or at a commit', async () => {
    await call('create_branch', { ...hello, branch: 'new/one', from_branch: 'feature/hello' })
    expect(sent()).toEqual(['GET /repos/octocat/hello-world/git/ref/heads/feature%2Fhello', 'POST /repos/octocat/hello-world/git/refs'])
    expect(JSON.parse(stub.requests[1]?.body ?? '')).toEqual({ ref: 'refs/heads/new/one', sha: '6dcb09b5b57875f334f61aebed695e2e4193db5e' })
    stub.reset()
    await call('create_branch', { ...hello, branch: 'two', sha: 'a'.repeat(40) })
    expect(sent()).toEqual(['POST /repos/octocat/hello-world/git/refs'])
  })

  it.each([{}, { from_branch: 'main', sha: 'a'.repeat(40) }])('a branch needs exactly one start: %j', (start) => {
    expect(github.tools.create_branch?.input.safeParse({ ...hello, branch: 'x', ...start }).success).toBe(false)
  })

  it('text comes as text, other bytes as base64, large files without content', async () => {
    expect(await call('get_file_contents', { ...hello, path: 'docs/read me.md' })).toMatchObject({
      content: '# Grüße\n',
      encoding: 'utf-8',
    })
    expect(await call('get_file_contents', { ...hello, path: 'logo.png' })).toMatchObject({ content: 'iVBOR//+', encoding: 'base64' })
    expect(await call('get_file_contents', { ...hello, path: 'big.bin' })).toMatchObject({ content: null, encoding: null, size: 2_000_000 })
    const big = { type: 'file', path: 'x', encoding: 'base64', content: Buffer.alloc(1024 * 1024 + 1).toString('base64') }
    expect(contents(big, 'x')).toMatchObject({ content: null, encoding: null })
  })

  it('a folder is listed, the root too', async () => {
    expect(await call('get_file_contents', { ...hello, path: 'docs' })).toMatchObject({
      type: 'dir',
      path: 'docs',
      entries: [{ path: 'docs/read me.md' }, { path: 'docs/old.md' }],
    })
    expect(await call('get_file_contents', { ...hello, path: '/' })).toMatchObject({
      type: 'dir',
      entries: [{ path: 'docs' }, { path: 'logo.png' }],
    })
    expect(sent()[1]).toBe('GET /repos/octocat/hello-world/contents')
  })

  it('content is sent in base64 once', async () => {
    const file = { ...hello, path: 'a.txt', message: 'm' }
    await call('create_or_update_file', { ...file, content: 'Grüße' })
    await call('create_or_update_file', { ...file, content: 'AAEC', encoding: 'base64' })
    expect(stub.requests.map((it) => JSON.parse(it.body))).toEqual([
      { message: 'm', content: 'R3LDvMOfZQ==' },
      { message: 'm', content: 'AAEC' },
    ])
  })

  it('[connectors.path-stays] no argument leads to another resource', async () => {
    await expect(call('get_file_contents', { ...hello, path: '../../other/contents/x' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(call('get_repo', { owner: '..', repo: 'user' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(call('get_repo', { owner: 'octocat/hello-world', repo: 'pulls' })).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
    expect(sent()).toEqual(['GET /repos/octocat%2Fhello-world/pulls'])
  })
})
