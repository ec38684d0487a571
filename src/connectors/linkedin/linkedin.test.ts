import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import {
  type LinkedIn,
  ME,
  MY_POST,
  PAGE,
  PAGE_POST,
  replies,
  STRANGE_PAGE,
  shownOf,
  startLinkedin,
  tokens,
} from '../../../test/fakes/linkedin.ts'
import type { Recorded, Reply } from '../../../test/fakes/stub.ts'
import { missingScopes, type ToolContext } from '../contract.ts'
import { collection, VERSION } from './call.ts'
import { uploadTarget } from './images.ts'
import family, { linkedin } from './index.ts'
import { judgeFor } from './judge.ts'
import { little } from './little.ts'

let stub: LinkedIn
beforeAll(async () => {
  stub = await startLinkedin()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const ADA = { id: ME.slice('urn:li:person:'.length), label: 'ada@example.com' }
const as = (access_token: string, account: ToolContext['account'] = ADA, config: object = {}) =>
  toolContext(linkedin, { credentials: { access_token }, config: { api_base: stub.url, ...config }, account })
async function call(name: string, input: object, ctx: ToolContext = as(tokens.all)): Promise<Record<string, unknown>> {
  const tool = linkedin.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const accepts = (name: string, input: object) => linkedin.tools[name]?.input.safeParse(input).success
const sent = () => stub.requests.map(({ method, bytes }) => `${method} ${bytes.split(/\s/)[1]}`)
const body = (n = 0) => JSON.parse((stub.requests[n] as Recorded).body)
const reply = (it: Reply) => stub.next({ kind: 'reply', reply: it })
const base64 = (text: string) => Buffer.from(text).toString('base64')

describe('who the member is', () => {
  it('is asked of OpenID Connect', async () => {
    expect(await linkedin.auth.check(as(tokens.member))).toEqual({ account: ADA, granted_scopes: null, warnings: [] })
    expect(await call('linkedin_get_userinfo', {})).toMatchObject({ sub: ADA.id, name: 'Ada Lovelace', email: 'ada@example.com' })
    expect(sent()).toEqual(['GET /v2/userinfo', 'GET /v2/userinfo'])
  })

  it('is asked by r_basicprofile for an app that cannot have OpenID Connect', async () => {
    const { account } = await linkedin.auth.check(as(tokens.community))
    expect(account).toEqual({ id: ADA.id, label: 'Ada Lovelace' })
    expect(sent()).toEqual(['GET /v2/userinfo', 'GET /v2/me'])
  })

  it('is not known of a token that may not tell, which lives all the same', async () => {
    expect(await linkedin.auth.check(as(tokens.nameless))).toEqual({
      account: null,
      granted_scopes: null,
      warnings: [expect.stringContaining('openid')],
    })
    await expect(call('linkedin_create_share_update', { text: 'Hi' }, as(tokens.nameless, null))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      details: { reason: 'permission', required_scopes: ['openid', 'profile'] },
    })
  })

  it.each(['expired', 'revoked'] as const)('a token that is %s is rejected', async (kind) => {
    await expect(linkedin.auth.check(as(tokens[kind]))).rejects.toMatchObject({
      code: 'CREDENTIAL_REJECTED',
      message: expect.stringContaining(kind),
      hint: expect.stringContaining('Connect the account again'),
    })
    expect(stub.requests).toHaveLength(1)
  })

  it('trouble of the second question is no missing scope', async () => {
    reply({
      status: 403,
      body: { status: 403, code: 'ACCESS_DENIED', message: 'Not enough permissions to access: userinfo.GET.NO_VERSION' },
    })
    reply({ status: 500, body: { status: 500, message: 'Internal Server Error' } })
    await expect(linkedin.auth.check(as(tokens.community))).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
  })
})

describe('headers', () => {
  it('versioned calls name a living version, others none', async () => {
    await call('linkedin_list_organizations', {})
    await call('linkedin_get_userinfo', {})
    const [acls, userinfo] = stub.requests.map((it) => it.headers)
    expect(acls).toMatchObject({ 'linkedin-version': VERSION, 'x-restli-protocol-version': '2.0.0', 'x-restli-method': 'FINDER' })
    expect(userinfo).not.toHaveProperty('linkedin-version')
  })

  it('a profile may name another version, and is told when it has ended', async () => {
    const ctx = (linkedin_version: string) => as(tokens.all, ADA, { linkedin_version })
    await call('linkedin_list_organizations', {}, ctx('202605'))
    expect(stub.requests[0]?.headers['linkedin-version']).toBe('202605')
    await expect(call('linkedin_list_organizations', {}, ctx('202409'))).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      message: expect.stringContaining('Requested version 20240901 is not active'),
      hint: expect.stringContaining('linkedin_version'),
      details: { status: 426 },
    })
  })

  it.each([{ linkedin_version: '2026-09' }, { linkedin_version: '202613' }, { api_base: 'ftp://x.example' }, { token: 'x' }])(
    'config %j is refused',
    (config) => expect(linkedin.config.safeParse(config).success).toBe(false),
  )
})

describe('little text', () => {
  it.each([
    ['Version 2 is out (at last).', 'Version 2 is out \\(at last\\).'],
    ['a\\b|c{d}e@f[g]h<i>*j_k~', 'a\\\\b\\|c\\{d\\}e\\@f\\[g\\]h\\<i\\>\\*j\\_k\\~'],
    ['We are hiring! #jobs', 'We are hiring! #jobs'],
    ['(#jobs)', '\\(#jobs\\)'],
    ['#Übung and #日本', '#Übung and #日本'],
    ['C# and #machine_learning, # alone', 'C\\# and \\#machine\\_learning, \\# alone'],
    ['https://example.com/a_b/#part', 'https://example.com/a\\_b/\\#part'],
    ['Thanks @[Acme (UK)](urn:li:organization:1)!', 'Thanks @[Acme \\(UK\\)](urn:li:organization:1)!'],
    ['@[me](urn:li:share:1)', '\\@\\[me\\]\\(urn:li:share:1\\)'],
  ])('is seen to its end: %s', (text, written) => {
    expect(little(text)).toBe(written)
    expect(shownOf(written)).toBe(text.replace(/@\[(.+?)\]\(urn:li:organization:1\)/, '$1'))
  })

  it('what is posted is seen to its end', async () => {
    const text = 'Rates (net) [2026]: 5 * 3 < 16 ~ #news\n@nobody {x|y} \\ _end_'
    await call('linkedin_create_company_update', { organization_id: '5583111', text })
    expect(stub.posted().map((it) => it.shown)).toEqual([text])
  })
})

describe('posting', () => {
  it('as the member, by what the connection knows, is one call', async () => {
    const answer = await call('linkedin_create_share_update', { text: 'Hi', visibility: 'CONNECTIONS' }, as(tokens.member))
    const urn = stub.posted()[0]?.id
    expect(answer).toEqual({ post_urn: urn, url: `https://www.linkedin.com/feed/update/${urn}/` })
    expect(sent()).toEqual(['POST /rest/posts'])
    expect(body()).toEqual({
      author: ME,
      commentary: 'Hi',
      visibility: 'CONNECTIONS',
      distribution: { feedDistribution: 'MAIN_FEED', targetEntities: [], thirdPartyDistributionChannels: [] },
      lifecycleState: 'PUBLISHED',
      isReshareDisabledByAuthor: false,
    })
  })

  it('as a member who is not known asks first', async () => {
    await call('linkedin_create_share_update', { text: 'Hi' }, as(tokens.member, null))
    expect(sent()).toEqual(['GET /v2/userinfo', 'POST /rest/posts'])
    expect(body(1)).toMatchObject({ author: ME, visibility: 'PUBLIC' })
  })

  it.each(['5583111', PAGE])('as the page %s', async (organization_id) => {
    await call('linkedin_create_company_update', { organization_id, text: 'Hi' })
    expect(body()).toMatchObject({ author: PAGE, visibility: 'PUBLIC' })
  })

  it('a link is a card, with a title of its own or the name of its host', async () => {
    const link = 'https://example.com/jobs?a=1'
    await call('linkedin_create_share_update', { text: 'One', link, link_title: 'Jobs (3)', link_description: 'All of them' })
    await call('linkedin_create_share_update', { text: 'Two', link })
    expect([body(0).content, body(1).content]).toEqual([
      { article: { source: link, title: 'Jobs (3)', description: 'All of them' } },
      { article: { source: link, title: 'example.com' } },
    ])
  })

  it('an uploaded image is shown, or is the picture of a card', async () => {
    const { image_urn } = await call('linkedin_upload_image', { image_base64: base64('GIF89a…') })
    await call('linkedin_create_share_update', { text: 'One', image_asset_id: image_urn })
    await call('linkedin_create_share_update', { text: 'Two', image_asset_id: image_urn, link: 'https://example.com/' })
    expect(stub.posted().map((it) => it.content)).toEqual([
      { media: { id: image_urn } },
      { article: { source: 'https://example.com/', title: 'example.com', thumbnail: image_urn } },
    ])
  })

  it('the same text again is a conflict that names the post', async () => {
    const { post_urn } = await call('linkedin_create_share_update', { text: 'Hi' })
    await expect(call('linkedin_create_share_update', { text: 'Hi' })).rejects.toMatchObject({
      code: 'UPSTREAM_CONFLICT',
      message: expect.stringContaining('Duplicate post is detected'),
      details: { status: 422, post_urn },
      maybeDone: false,
    })
  })

  it('a post that LinkedIn does not name is there all the same', async () => {
    reply({ status: 201 })
    expect(await call('linkedin_create_share_update', { text: 'Hi' })).toEqual({ post_urn: null, url: null })
  })

  it.each([
    ['linkedin_create_share_update', {}],
    ['linkedin_create_share_update', { text: '' }],
    ['linkedin_create_share_update', { text: 'x'.repeat(3001) }],
    ['linkedin_create_share_update', { text: 'x', visibility: 'CONTAINER' }],
    ['linkedin_create_share_update', { text: 'x', link_title: 'Without a link' }],
    ['linkedin_create_share_update', { text: 'x', link: 'ftp://example.com' }],
    ['linkedin_create_share_update', { text: 'x', image_asset_id: 'urn:li:digitalmediaAsset:1' }],
    ['linkedin_create_share_update', { text: 'x', author: STRANGE_PAGE }],
    ['linkedin_create_company_update', { text: 'x' }],
    ['linkedin_create_company_update', { text: 'x', organization_id: 'acme' }],
    ['linkedin_create_company_update', { text: 'x', organization_id: ME }],
    ['linkedin_get_post', { post_urn: 'urn:li:activity:7000000000000000001' }],
    ['linkedin_get_post', { post_urn: '../posts' }],
    ['linkedin_delete_post', { post_urn: 'urn:li:share:1?x' }],
    ['linkedin_list_posts', { author_urn: 'urn:li:company:1' }],
    ['linkedin_list_posts', { author_urn: PAGE, count: 101 }],
    ['linkedin_list_organizations', { role: 'OWNER' }],
  ])('%s refuses %j', (name, input) => expect(accepts(name, input)).toBe(false))
})

describe('posts that are there', () => {
  it('are asked for by the encoded URN', async () => {
    expect(await call('linkedin_get_post', { post_urn: PAGE_POST })).toMatchObject({ id: PAGE_POST, author: PAGE, commentary: 'News 1' })
    expect(await call('linkedin_delete_post', { post_urn: PAGE_POST })).toEqual({ deleted: true, post_urn: PAGE_POST })
    const path = `/rest/posts/${encodeURIComponent(PAGE_POST)}`
    expect(sent()).toEqual([`GET ${path}`, `DELETE ${path}`])
    expect(stub.requests[1]?.headers).toMatchObject({ 'x-restli-method': 'DELETE' })
    await expect(call('linkedin_get_post', { post_urn: PAGE_POST })).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
  })

  it('a second removal does no harm, so one that met trouble is tried again', async () => {
    reply({ status: 503, body: { status: 503, message: 'Service unavailable' } })
    await call('linkedin_delete_post', { post_urn: MY_POST })
    expect(await call('linkedin_delete_post', { post_urn: MY_POST })).toMatchObject({ deleted: true })
    expect(sent()).toHaveLength(3)
  })

  it('of an author come as LinkedIn documents the question', async () => {
    await call('linkedin_list_posts', { author_urn: PAGE, sort_by: 'CREATED', count: 3, start: 6 })
    expect(sent()).toEqual([`GET /rest/posts?author=${encodeURIComponent(PAGE)}&q=author&count=3&start=6&sortBy=CREATED`])
  })

  it.each(['linkedin_list_posts', 'linkedin_list_organizations'])('[connectors.pages] %s walks three pages to the end', async (name) => {
    const seen: unknown[] = []
    let start: unknown = 0
    const pages: unknown[] = []
    while (start !== null) {
      const input = name === 'linkedin_list_posts' ? { author_urn: PAGE, start } : { start }
      const page = await call(name, input)
      seen.push(...(page.items as unknown[]))
      start = page.next_start
      pages.push(start)
    }
    expect(pages).toEqual([10, 20, null])
    expect(new Set(seen.map((it) => JSON.stringify(it))).size).toBe(25)
  })

  it.each([
    ['the link', { start: 0, count: 50, total: 120, links: [{ rel: 'next', href: '/posts?count=50&start=46' }] }, 46],
    ['the count', { start: 50, count: 50, total: 120, links: [] }, 100],
    ['its end', { start: 100, count: 50, total: 120, links: [{ rel: 'prev', href: '/posts?start=50' }] }, null],
    ['nothing', undefined, null],
  ])('the next page is known by %s', (_, paging, next) => {
    expect(collection({ elements: [], paging })).toEqual({ items: [], next_start: next })
  })

  it('pages of a member have one name for the page, and only roles that are in force', async () => {
    const { items } = (await call('linkedin_list_organizations', { role: 'ADMINISTRATOR', count: 3 })) as { items: object[] }
    expect(items).toEqual(
      [5583111, 5583113, 5583115].map((id) => ({
        organization: `urn:li:organization:${id}`,
        role: 'ADMINISTRATOR',
        state: 'APPROVED',
        roleAssignee: ME,
      })),
    )
    expect(sent()).toEqual(['GET /rest/organizationAcls?q=roleAssignee&role=ADMINISTRATOR&state=APPROVED&count=3'])
  })
})

describe('images', () => {
  const gif = base64('GIF89a and so on')

  it.each([
    [{}, ME],
    [{ organization_id: '5583111' }, PAGE],
    [{ owner_urn: PAGE }, PAGE],
  ])('are announced for their owner, then put where LinkedIn says: %j', async (whose, owner) => {
    const { image_urn, owner_urn } = await call('linkedin_upload_image', { image_base64: gif, ...whose })
    expect(owner_urn).toBe(owner)
    expect(body()).toEqual({ initializeUploadRequest: { owner } })
    expect(sent()[0]).toBe('POST /rest/images?action=initializeUpload')
    expect(sent()[1]).toMatch(/^PUT \/dms-uploads\/.+ut=08zHQ$/)
    expect(stub.uploaded().get(String(image_urn))).toBe('GIF89a and so on')
  })

  it('bytes go as they are', async () => {
    const bytes = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x00, 0xff])
    const bodies: unknown[] = []
    const ctx = as(tokens.all)
    const fetch: ToolContext['fetch'] = (url, init) => {
      if (init?.method === 'PUT') bodies.push(init.body)
      return ctx.fetch(url, init)
    }
    await call('linkedin_upload_image', { image_base64: bytes.toString('base64') }, { ...ctx, fetch })
    expect(bodies).toEqual([new Uint8Array(bytes)])
  })

  it.each(['not base64!', ''])('%j is no file', (image_base64) => expect(accepts('linkedin_upload_image', { image_base64 })).toBe(false))
  it.each([{ image_url: 'https://example.com/a.png' }, { owner_urn: PAGE, organization_id: '1' }])('%j is refused', (more) =>
    expect(accepts('linkedin_upload_image', { image_base64: gif, ...more })).toBe(false),
  )

  it('something else than an image is not sent at all', async () => {
    await expect(call('linkedin_upload_image', { image_base64: base64('<svg/>') })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(stub.requests).toEqual([])
  })

  it('[connectors.no-key-elsewhere] the token goes to no other host, whatever LinkedIn says', async () => {
    const other = await startLinkedin()
    try {
      stub.uploadTo(other.url)
      await expect(call('linkedin_upload_image', { image_base64: gif })).rejects.toMatchObject({ code: 'EGRESS_BLOCKED' })
      expect(other.requests).toEqual([])
    } finally {
      await other.close()
    }
  })

  it.each([
    ['https://www.linkedin.com/dms-uploads/x', true],
    ['https://api.linkedin.com/mediaUpload/x', true],
    ['http://www.linkedin.com/dms-uploads/x', false],
    ['https://www.linkedin.com:8443/x', false],
    ['https://www.linkedin.com.evil.example/x', false],
    ['https://evil.example/?www.linkedin.com', false],
    ['https://www.linkedin.com@evil.example/x', false],
  ])('[connectors.no-key-elsewhere] of LinkedIn itself, %s is right: %j', (url, right) => {
    const upload = () => uploadTarget({ base: 'https://api.linkedin.com', config: {} }, url)
    if (right) expect(upload()).toBe(url)
    else expect(upload).toThrow(/not its own host/)
  })

  it('a refused upload condemns no token', async () => {
    const ctx = as(tokens.all)
    const fetch: ToolContext['fetch'] = async (url, init) =>
      init?.method === 'PUT' ? new Response('<html></html>', { status: 401 }) : ctx.fetch(url, init)
    await expect(call('linkedin_upload_image', { image_base64: gif }, { ...ctx, fetch })).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      details: { status: 401 },
    })
  })

  it('an answer without an address is a failure of LinkedIn', async () => {
    reply({ status: 200, body: { value: {} } })
    await expect(call('linkedin_upload_image', { image_base64: gif })).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
  })
})

describe('what a refusal means', () => {
  it.each([
    ['linkedin_create_share_update', { text: 'x' }, tokens.identity, 'permission', ['w_member_social']],
    ['linkedin_list_organizations', {}, tokens.member, 'permission', ['rw_organization_admin', 'r_organization_admin']],
    ['linkedin_create_company_update', { organization_id: '5583111', text: 'x' }, tokens.member, 'denied', ['w_organization_social']],
    ['linkedin_create_company_update', { organization_id: '1337', text: 'x' }, tokens.all, 'denied', ['w_organization_social']],
    ['linkedin_upload_image', { image_base64: base64('GIF89a'), organization_id: '1337' }, tokens.all, 'denied', ['w_organization_social']],
    ['linkedin_list_posts', { author_urn: ME }, tokens.all, 'denied', ['r_member_social']],
    ['linkedin_list_posts', { author_urn: PAGE }, tokens.member, 'denied', ['r_organization_social']],
    ['linkedin_get_post', { post_urn: MY_POST }, tokens.all, 'denied', ['r_organization_social', 'r_member_social']],
    ['linkedin_delete_post', { post_urn: PAGE_POST }, tokens.member, 'denied', ['w_member_social', 'w_organization_social']],
  ])('[connectors.403-told-apart] %s with %j', async (name, input, token, reason, required_scopes) => {
    await expect(call(name, input, as(token))).rejects.toMatchObject({ code: 'SCOPE_MISSING', details: { reason, required_scopes } })
    expect(stub.posted()).toEqual([])
  })

  it('any one of the alternatives will do, and the one that LinkedIn has for all is asked for', () => {
    const lacks = (name: string, ...granted: string[]) => missingScopes(linkedin.tools[name] ?? { scopes: [] }, granted)
    expect(lacks('linkedin_list_organizations', 'r_organization_admin')).toEqual([])
    expect(lacks('linkedin_list_organizations')).toEqual(['rw_organization_admin'])
    expect(lacks('linkedin_delete_post', 'w_organization_social')).toEqual([])
    expect(lacks('linkedin_list_posts', 'r_member_social')).toEqual([])
    expect(lacks('linkedin_custom_api_call')).toEqual([])
  })

  it.each([
    ['a field that this app may not set', replies.unpermitted('adContext'), 'UPSTREAM_INVALID', /these fields.*\[\/adContext\]/],
    ['a parameter', replies.invalidParam('search'), 'UPSTREAM_INVALID', /Invalid param\..*; search Invalid value for param/],
    ['a version', replies.version('202409'), 'UPSTREAM_INVALID', /no longer has this version.*20240901/],
    ['a duplicate', replies.duplicate(PAGE_POST), 'UPSTREAM_CONFLICT', /already has this very post/],
    [
      'a conflict',
      { status: 409, body: { message: 'A write conflict occurred. Retry the request.' } },
      'UPSTREAM_CONFLICT',
      /write conflict/,
    ],
    ['trouble', { status: 500, body: { message: 'Duplicate key in shard' } }, 'UPSTREAM_ERROR', /Duplicate key/],
  ])('%s', (_, { status, headers, body: told }: Reply, code, message) => {
    const verdict = judgeFor({ scopes: [] })({ status, headers: new Headers(headers), body: told })
    expect(verdict).toMatchObject({ code, message: expect.stringMatching(message) })
  })
})

describe('quotas', () => {
  const date = 'Wed, 25 Nov 2026 22:00:00 GMT'
  const TWO_HOURS = 7200

  it('one that names the day lasts until midnight UTC', async () => {
    reply({ ...replies.dayQuota(), headers: { date } })
    const ctx = as(tokens.all)
    await expect(call('linkedin_get_userinfo', {}, ctx)).rejects.toMatchObject({
      code: 'UPSTREAM_RATE_LIMITED',
      retryAfter: TWO_HOURS,
      message: expect.stringContaining('quota of the day is spent'),
      hint: expect.stringContaining('midnight UTC'),
    })
    expect(ctx.waits).toEqual([])
  })

  it('one that does not is met once more, and the second one means the day', async () => {
    reply({ ...replies.slowDown(), headers: { date } })
    const ctx = as(tokens.all)
    await call('linkedin_get_userinfo', {}, ctx)
    expect(ctx.waits).toEqual([300])
    for (const _ of [1, 2]) reply({ ...replies.slowDown(), headers: { date } })
    await expect(call('linkedin_get_userinfo', {})).rejects.toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', retryAfter: TWO_HOURS })
    expect(stub.requests).toHaveLength(4)
  })

  it('[connectors.no-double-write] a post is not tried again', async () => {
    reply(replies.slowDown())
    await expect(call('linkedin_create_share_update', { text: 'x' })).rejects.toMatchObject({
      code: 'UPSTREAM_RATE_LIMITED',
      maybeDone: false,
    })
    expect(stub.requests).toHaveLength(1)
  })
})

describe('any other call', () => {
  const custom = (input: object, ctx = as(tokens.all)) => call('linkedin_custom_api_call', input, ctx)

  it('goes to the base with the headers of LinkedIn, and may name another version', async () => {
    expect(await custom({ method: 'GET', path: '/v2/userinfo' })).toMatchObject({ status: 200, body: { sub: ADA.id } })
    await custom({ method: 'GET', path: '/rest/organizationAcls', query: { q: 'roleAssignee' }, headers: { 'LinkedIn-Version': '202605' } })
    expect(stub.requests[1]?.headers).toMatchObject({ 'linkedin-version': '202605', 'x-restli-method': 'FINDER' })
  })

  it('keeps the parentheses of a Rest.li list that is in the path', async () => {
    const path = '/rest/organizations?ids=List(5583111,1337)'
    expect(await custom({ method: 'GET', path })).toMatchObject({ body: { raw: path } })
  })

  it('answers the URN of what was made, and no cookie', async () => {
    const post = {
      author: PAGE,
      commentary: 'Hi',
      visibility: 'PUBLIC',
      distribution: { feedDistribution: 'MAIN_FEED' },
      lifecycleState: 'PUBLISHED',
    }
    const answer = await custom({ method: 'POST', path: '/rest/posts', body: post })
    expect(answer).toMatchObject({ status: 201, headers: { 'x-restli-id': stub.posted()[0]?.id }, body: null })
    expect(answer.headers).not.toHaveProperty('set-cookie')
  })

  it('fails like the others', async () => {
    await expect(custom({ method: 'GET', path: '/v2/people' })).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
    await expect(custom({ method: 'GET', path: '/v2/userinfo' }, as(tokens.revoked))).rejects.toMatchObject({ code: 'CREDENTIAL_REJECTED' })
  })

  it.each(['//evil.example/x', 'https://evil.example', '/a/../b', '/a/%2e%2E/b', '/..%2fb', '/a\\..\\b', '/a b', '/a#b', '/%zz', 'v2', ''])(
    '[connectors.path-stays] does not leave the base by the path %s',
    (path) => expect(accepts('linkedin_custom_api_call', { method: 'GET', path })).toBe(false),
  )
  it.each(['Authorization', 'cookie', 'HOST', 'Proxy-Authorization', 'X-Forwarded-For', 'bad name'])(
    '[http.headers-refused] the header %s is not the caller’s',
    (name) => expect(accepts('linkedin_custom_api_call', { method: 'GET', path: '/', headers: { [name]: 'x' } })).toBe(false),
  )
  it('GET has no body, and only GET may be repeated', () => {
    expect(accepts('linkedin_custom_api_call', { method: 'GET', path: '/', body: {} })).toBe(false)
    const repeatable = linkedin.tools.linkedin_custom_api_call?.repeatable as (input: { method: string }) => boolean
    expect(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].map((method) => repeatable({ method }))).toEqual([true, false, false, false, false])
  })
})

describe('the provider', () => {
  const { provider } = family
  const means = (error: string, description: string) =>
    provider.refusals.find((it) => it.error === error && it.description?.test(description))?.means

  it('knows the sentences of the token endpoint', () => {
    expect(means('invalid_request', 'The provided authorization grant or refresh token is invalid, expired or revoked')).toMatchObject({
      class: 'permanent',
    })
    expect(means('invalid_request', 'A required parameter "client_secret" is missing')).toMatchObject({ class: 'misconfigured' })
    expect(means('invalid_request', 'A required parameter "redirect_uri" is missing')).toBeUndefined()
  })

  it('takes the names of the fields that other products have', () => {
    const names = Object.values(provider.manual).map((it) => it.fields.map((f) => [f.name, ...(f.aliases ?? [])].join('=')))
    expect(names).toEqual([
      ['client_id=ClientID', 'client_secret=ClientSecret', 'refresh_token=RefreshToken', 'access_token=AccessToken'],
      ['access_token=AccessToken'],
    ])
  })

  it('has the scopes of each tool in one of its services', () => {
    const asked = new Set([...provider.identityScopes, ...Object.values(provider.services).flatMap((it) => it.scopes)])
    const needed = Object.values(linkedin.tools).flatMap((it) => it.scopes.map((need) => [need].flat()[0] as string))
    expect(needed.filter((scope) => !asked.has(scope))).toEqual([])
  })
})
