import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import type { Reply, Stub } from '../../../test/fakes/stub.ts'
import exa from './index.ts'
import { judge } from './judge.ts'
import { keys, replies, startExa } from './vendor.stub.ts'

let stub: Stub
beforeAll(async () => {
  stub = await startExa()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const as = (api_key: string) => toolContext(exa, { credentials: { api_key }, config: { api_base: stub.url } })
async function call(name: string, input: object, ctx = as(keys.valid)): Promise<Record<string, unknown>> {
  const tool = exa.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const bodies = () => stub.requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>)

describe('the key', () => {
  it('lives, and Exa does not tell whose it is or what it may', async () => {
    expect(await exa.auth.check(as(keys.valid))).toEqual({ account: null, granted_scopes: null })
    expect(bodies()).toEqual([{ query: 'ping', numResults: 1, type: 'fast' }])
  })

  it('without credit is a living key with a warning, and its searches say who has to do what', async () => {
    const { warnings, ...rest } = await exa.auth.check(as(keys.spent))
    expect(rest).toEqual({ account: null, granted_scopes: null })
    expect(warnings).toEqual([expect.stringContaining('You have exceeded your credits limit.')])
    await expect(call('exa_search', { query: 'a' }, as(keys.spent))).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      hint: expect.stringContaining('The key itself is fine.'),
      details: { status: 402, reason: 'quota' },
    })
  })

  it('that is dead is not taken for one without credit', async () => {
    await expect(exa.auth.check(as(keys.dead))).rejects.toMatchObject({ code: 'CREDENTIAL_REJECTED', message: /Invalid API key/ })
  })

  it('of a small plan is told that the plan is in the way, not the connection', async () => {
    await expect(call('exa_search', { query: 'a', type: 'deep' }, as(keys.small))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      details: { status: 403, reason: 'denied' },
    })
    expect(await call('exa_search', { query: 'a' }, as(keys.small))).toHaveProperty('results')
  })
})

describe('what a refusal means', () => {
  const heard = ({ status, headers, body }: Reply) => judge({ status, headers: new Headers(headers), body })
  it.each([
    ['a key that was narrowed', replies.narrowed(), { code: 'SCOPE_MISSING', details: { reason: 'permission' } }],
    ['a feature of another plan', replies.denied(), { code: 'SCOPE_MISSING', details: { reason: 'denied' } }],
    ['filtered content', replies.filtered(), { code: 'UPSTREAM_INVALID', details: { reason: 'content' } }],
    ['the limit of the network', replies.network(), { code: 'UPSTREAM_RATE_LIMITED', retryAfter: 1 }],
    ['the limit of the key', replies.tooFast({ 'retry-after': '7' }), { code: 'UPSTREAM_RATE_LIMITED', retryAfter: 7 }],
    ['no capacity', replies.overloaded(), { code: 'UPSTREAM_ERROR' }],
  ])('[connectors.403-told-apart] %s', (_, reply, verdict) => {
    expect(heard(reply)).toMatchObject(verdict)
  })

  it('credit is not waited for', async () => {
    stub.next({ kind: 'reply', reply: replies.keyBudget() })
    const ctx = as(keys.valid)
    await expect(call('exa_search', { query: 'a' }, ctx)).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' })
    expect(ctx.waits).toEqual([])
  })
})

describe('searching', () => {
  it('is asked in the words of Exa', async () => {
    await call('exa_search', {
      query: 'Latest research in LLMs',
      num_results: 3,
      type: 'deep',
      include_text: true,
      max_characters: 500,
      include_domains: ['arxiv.org'],
      exclude_domains: ['example.com'],
      start_published_date: '2026-01-31',
      end_published_date: '2026-02-28T10:00:00+02:00',
      category: 'publication',
    })
    expect(bodies()).toEqual([
      {
        query: 'Latest research in LLMs',
        numResults: 3,
        type: 'deep',
        contents: { text: { maxCharacters: 500 } },
        includeDomains: ['arxiv.org'],
        excludeDomains: ['example.com'],
        startPublishedDate: '2026-01-31T00:00:00.000Z',
        endPublishedDate: '2026-02-28T08:00:00.000Z',
        category: 'publication',
      },
    ])
  })

  it('gives the text of pages only when it is wanted, and cut to size', async () => {
    const without = await call('exa_search', { query: 'a', num_results: 2 })
    expect(without).toEqual({
      results: [
        {
          title: 'A Comprehensive Overview, part 1',
          url: 'https://arxiv.org/pdf/2307.06431.pdf',
          published_date: '2023-11-16T01:36:32.547Z',
          author: null,
        },
        { title: null, url: 'https://arxiv.org/pdf/2307.06432.pdf', published_date: null, author: 'Humza Naveed' },
      ],
      cost_dollars: 0.007,
    })
    const lengths = async (more: object) =>
      ((await call('exa_search', { query: 'a', include_text: true, ...more })).results as { text: string }[]).map(({ text }) => text.length)
    expect(new Set(await lengths({}))).toEqual(new Set([10_000]))
    expect(new Set(await lengths({ max_characters: 40 }))).toEqual(new Set([40]))
  })

  it('finds what is like a page', async () => {
    const { results } = await call('exa_find_similar', { url: 'https://arxiv.org/abs/1', exclude_source_domain: true, num_results: 2 })
    expect(results).toHaveLength(2)
    expect(bodies()).toEqual([{ url: 'https://arxiv.org/abs/1', excludeSourceDomain: true, numResults: 2 }])
  })

  it('answers with sources', async () => {
    const { answer, citations, cost_dollars } = await call('exa_answer', { query: 'How much is SpaceX worth?', include_text: true })
    expect({ answer, cost_dollars }).toEqual({ answer: '$350 billion.', cost_dollars: 0.005 })
    expect(citations).toMatchObject([
      { url: 'https://arxiv.org/pdf/2307.06431.pdf', text: expect.stringContaining('Large Language Models') },
    ])
  })

  it('an answer that cannot be given is final, although its status is a 5xx', async () => {
    await expect(call('exa_answer', { query: 'What nobody knows' })).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      details: { status: 501 },
    })
    expect(stub.requests).toHaveLength(1)
  })

  it('filters that a category does not have are said in the words of Exa', async () => {
    const input = { query: 'a', category: 'people', start_published_date: '2026-01-01' }
    await expect(call('exa_search', input)).rejects.toMatchObject({ code: 'UPSTREAM_INVALID', message: /does not support this filter/ })
  })

  it('something else than results is a failure, not an empty list', async () => {
    stub.next({ kind: 'reply', reply: { status: 200, body: { requestId: 'x' } } })
    await expect(call('exa_search', { query: 'a' })).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
  })

  it.each([
    ['exa_search', { query: ' ' }],
    ['exa_search', { query: 'a', num_results: 101 }],
    ['exa_search', { query: 'a', type: 'neural' }],
    ['exa_search', { query: 'a', start_published_date: 'last week' }],
    ['exa_search', { query: 'a', numResults: 1 }],
    ['exa_find_similar', { url: 'file:///etc/passwd' }],
    ['exa_answer', { query: 'a', stream: true }],
  ])('%s refuses %j', (name, input) => {
    expect(exa.tools[name]?.input.safeParse(input).success).toBe(false)
  })
})
