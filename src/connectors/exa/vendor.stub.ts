/**
 * Exa's contract as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [spec] Exa's OpenAPI 2.0.0, as exa.ai/docs/reference/search and /answer show it: fields, limits, answers, example bodies of 400, 401, 402,
 *   429 and 500; both x-api-key and Authorization: Bearer are taken
 * - [old] Exa's OpenAPI 1.2.0 for /findSimilar, which 2.0.0 no longer lists; Exa's JavaScript client calls it deprecated
 * - [errors] exa.ai/docs/reference/error-codes: statuses, tags, 429 with `error` alone, Retry-After "when present", 501 of /answer
 * - [limits] exa.ai/docs/reference/rate-limits: 10 requests a second for /search and for /answer
 * Not known, so chosen: the sentences of 403 and 501, the sentence of a field that nobody knows (the schemas do not say that more is refused), that
 * the key is looked at before the body, and which status TEAM_BLOCKED and INSUFFICIENT_SCOPE come with (taken as 403).
 */
import {
  type Asked,
  type Credential,
  type Recorded,
  type Reply,
  type Route,
  type Stub,
  startStub,
  type Vendor,
} from '../../../test/fakes/stub.ts'

const key = (n: number) => `0f6c1d2e-3b4a-4c5d-8e7f-${String(n).repeat(12)}`
/** Made up, in the form that keys have. `spent` has no credit left, `small` is of a plan without deep searches. */
export const keys = { valid: key(1), spent: key(2), small: key(3), dead: key(9) }
const credentials: Record<string, Credential> = {
  [keys.valid]: { state: 'valid', kind: 'full', scopes: null },
  [keys.spent]: { state: 'valid', kind: 'spent', scopes: null },
  [keys.small]: { state: 'valid', kind: 'small', scopes: null },
  [keys.dead]: { state: 'revoked', kind: 'full', scopes: null },
}

const requestId = 'b5947044c4b78efa9552a7c89b306d95'
const error = (status: number, tag: string, message: string): Reply => ({ status, body: { requestId, error: message, tag } })
const ok = (body: object): Reply => ({ status: 200, headers: { 'x-request-id': requestId }, body: { requestId, ...body } })
const badRequest = (message: string) => error(400, 'INVALID_REQUEST_BODY', `Invalid request body: ${message}`)

/** [spec] [errors] Ready-made refusals. */
export const replies = {
  badKey: (): Reply => error(401, 'INVALID_API_KEY', 'Invalid API key'),
  noCredit: (): Reply =>
    error(402, 'NO_MORE_CREDITS', 'You have exceeded your credits limit. Please top up to keep using Exa at dashboard.exa.ai'),
  keyBudget: (): Reply => error(402, 'API_KEY_BUDGET_EXCEEDED', 'API key has exceeded its spending budget'),
  teamBudget: (): Reply => error(402, 'TEAM_BUDGET_EXCEEDED', 'Team has exceeded its spending budget for the current billing period'),
  disabled: (): Reply => error(403, 'FEATURE_DISABLED', 'Feature is disabled for your plan type'),
  denied: (): Reply => error(403, 'ACCESS_DENIED', "Feature requires a specific flag or permission you don't have"),
  narrowed: (): Reply => error(403, 'INSUFFICIENT_SCOPE', 'This API key does not have the scope that is needed'),
  prohibited: (): Reply => error(403, 'PROHIBITED_CONTENT', 'Request blocked by content safety moderation'),
  filtered: (): Reply => error(403, 'CONTENT_FILTER_ERROR', 'Content was filtered due to safety policy'),
  notFound: (): Reply => error(404, 'NOT_FOUND', 'Not found'),
  conflict: (): Reply => error(409, 'DEFAULT_ERROR', 'Resource already exists'),
  enum: (): Reply =>
    error(
      400,
      'INVALID_REQUEST_BODY',
      "Invalid request body | Validation error: Invalid enum value. Expected 'auto' | 'fast' | 'instant' | 'deep-lite' | 'deep' | 'deep-reasoning', received 'slow' at \"type\"",
    ),
  tooMany: (): Reply => error(400, 'NUM_RESULTS_EXCEEDED', "Requested number of results exceeds your plan's limit"),
  document: (): Reply => error(422, 'FETCH_DOCUMENT_ERROR', 'A specific URL could not be processed'),
  /** [errors] No requestId and no tag. */
  tooFast: (headers: Record<string, string>): Reply => ({
    status: 429,
    headers,
    body: {
      error: "You've exceeded your Exa rate limit of 10 requests per second. If you want this increased, please email hello@exa.ai :)",
    },
  }),
  network: (): Reply =>
    error(
      429,
      'RATE_LIMIT_EXCEEDED',
      "You've exceeded the Exa rate limit for your network. If you believe this is in error, please email hello@exa.ai :)",
    ),
  broken: (): Reply => error(500, 'DEFAULT_ERROR', 'Sorry, we encountered an error while processing your request. Please try again later'),
  noAnswer: (): Reply => error(501, 'UNABLE_TO_GENERATE_RESPONSE', 'Unable to generate a response with the available information'),
  overloaded: (): Reply => error(503, 'SERVICE_OVERLOADED', 'Exa is temporarily over capacity. Please retry with exponential backoff.'),
}

const USUAL: Readonly<Record<number, () => Reply>> = {
  403: replies.disabled,
  404: replies.notFound,
  409: replies.conflict,
  422: replies.document,
  429: () => replies.tooFast({}),
  503: replies.overloaded,
}
/** The body that a status usually has. */
export const errorBody = (status: number): unknown => (USUAL[status] ?? replies.broken)().body

const TYPES = ['instant', 'fast', 'auto', 'deep-lite', 'deep', 'deep-reasoning']
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/
const TEXT = 'Large Language Models have recently demonstrated remarkable capabilities. '.repeat(400)

/** [spec] One result; `text` only when it was asked for. */
const result = (n: number, most: number | null) => ({
  title: n === 2 ? null : `A Comprehensive Overview, part ${n}`,
  url: `https://arxiv.org/pdf/2307.0643${n}.pdf`,
  publishedDate: n === 2 ? undefined : '2023-11-16T01:36:32.547Z',
  author: n === 1 ? null : 'Humza Naveed',
  id: `https://arxiv.org/abs/2307.0643${n}`,
  favicon: 'https://arxiv.org/favicon.ico',
  ...(most === null ? {} : { text: TEXT.slice(0, most) }),
})
const cost = { costDollars: { total: 0.007, search: { neural: 0.007 } } }

/** [spec] What is wrong with the fields that searches share. */
function wrong(body: Record<string, unknown>): string | null {
  const { numResults = 10, contents } = body
  if (!Number.isInteger(numResults) || Number(numResults) < 1 || Number(numResults) > 100) return 'numResults: must be 1 to 100'
  for (const name of ['includeDomains', 'excludeDomains']) {
    const list = body[name]
    if (list !== undefined && !(Array.isArray(list) && list.length <= 1200)) return `${name}: Invalid input`
  }
  for (const name of ['startPublishedDate', 'endPublishedDate'])
    if (body[name] !== undefined && !DATE_TIME.test(String(body[name]))) return `${name}: Invalid ISO datetime`
  if (contents === undefined) return null
  const { text } = contents as { text?: unknown }
  const most = (text as { maxCharacters?: unknown } | undefined)?.maxCharacters
  return typeof text === 'boolean' || (Number.isInteger(most) && Number(most) >= 1 && Number(most) <= 10_000)
    ? null
    : 'contents.text: Invalid input'
}

function listed({ body }: Asked): Reply {
  const said = wrong(body)
  if (said !== null) return badRequest(said)
  const text = (body.contents as { text?: { maxCharacters?: number } | boolean } | undefined)?.text
  const most = typeof text === 'object' ? (text.maxCharacters ?? 10_000) : text === true ? 10_000 : null
  const count = Math.min(Number(body.numResults ?? 10), 5)
  return ok({ results: Array.from({ length: count }, (_, n) => result(n + 1, most)), ...cost })
}

function searched(asked: Asked): Reply {
  const { body, credential } = asked
  if (typeof body.query !== 'string' || body.query === '') return badRequest('query: Invalid input: expected string, received undefined')
  if (body.type !== undefined && !TYPES.includes(String(body.type))) return replies.enum()
  if (credential.kind === 'small' && String(body.type).startsWith('deep')) return replies.disabled()
  const barred = ['startPublishedDate', 'endPublishedDate', 'excludeDomains'].some((name) => body[name] !== undefined)
  if (barred && ['company', 'people'].includes(String(body.category)))
    return error(400, 'INVALID_REQUEST', `The "${body.category}" category does not support this filter`)
  return listed(asked)
}

function similar(asked: Asked): Reply {
  return URL.canParse(String(asked.body.url)) ? listed(asked) : error(400, 'INVALID_URLS', 'One or more URLs are in an invalid format')
}

function answered({ body }: Asked): Reply {
  if (typeof body.query !== 'string' || body.query === '') return badRequest('query: Invalid input: expected string, received undefined')
  if (body.stream === true) return badRequest('this stub does not stream')
  if (body.query.includes('nobody knows')) return replies.noAnswer()
  return ok({ answer: '$350 billion.', citations: [result(1, body.text === true ? 20_000 : null)], costDollars: { total: 0.005 } })
}

/** Everything is paid for: a key without credit gets nothing. */
const paid = (answer: (asked: Asked) => Reply) => (asked: Asked) => (asked.credential.kind === 'spent' ? replies.noCredit() : answer(asked))

const COMMON = ['numResults', 'includeDomains', 'excludeDomains', 'startPublishedDate', 'endPublishedDate', 'contents']
const routes: Route[] = [
  { call: 'POST /search', scopes: [], body: ['query', 'type', 'category', ...COMMON], answer: paid(searched) },
  { call: 'POST /findSimilar', scopes: [], body: ['url', 'excludeSourceDomain', ...COMMON], answer: paid(similar) },
  { call: 'POST /answer', scopes: [], body: ['query', 'stream', 'text'], answer: paid(answered) },
]

const exa: Vendor = {
  routes,
  credentials,
  credentialOf: ({ headers }: Recorded) =>
    (headers['x-api-key'] as string | undefined) ?? /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1] ?? null,
  demand: ({ method, headers }) =>
    method === 'POST' && !/^application\/json\b/.test(headers['content-type'] ?? '') ? badRequest('Invalid JSON') : null,
  unauthorized: replies.badKey,
  unknownRoute: replies.notFound,
  unknownField: (name) => badRequest(`Unrecognized key: "${name}"`),
  scopeMissing: replies.narrowed,
  always: () => ({}),
}

export const startExa = (): Promise<Stub> => startStub(exa)
