/**
 * OpenAI's contract as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [reference] OpenAI's API reference and OpenAPI document: /models, /chat/completions and /embeddings, their fields, limits and answers
 * - [errors] developers.openai.com/api/docs/guides/error-codes, as of autumn 2026: which statuses and codes there are; billing errors keep the type
 *   insufficient_quota and differ by code; Retry-After on 429 and 503
 * - [limits] the rate limits guide: x-ratelimit-{limit,remaining,reset}-{requests,tokens}, resets as "1s" or "6m0s"
 * - [headers] API reference, Debugging requests: openai-organization, openai-processing-ms, x-request-id
 * - [seen] in answers that client programs quote: the bodies of invalid_api_key, missing_scope (as 401 and as 403), model_not_found (as 403 and 404),
 *   "Request too large", the country, "Unsupported parameter", "not a chat model"
 * Not known, so chosen: the sentence about an address that is not on the allowlist, the answer to a field nobody knows, the sentence of
 * server_is_overloaded, the order of the checks.
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

const key = (name: string) => `sk-proj-${name}${'a1B2_c3D4-'.repeat(5)}`
/** Made up. `chat` may use models, but not list them; `reader` only lists them; `poor` has no credit left. */
export const keys = { full: key('Full'), chat: key('Chat'), reader: key('Reader'), poor: key('Poor'), deleted: key('Deleted') }
const live = (kind: string, scopes: readonly string[] | null): Credential => ({ state: 'valid', kind, scopes })
const credentials: Record<string, Credential> = {
  [keys.full]: live('full', null),
  [keys.chat]: live('restricted', ['model.request']),
  [keys.reader]: live('restricted', ['api.model.read']),
  [keys.poor]: live('poor', null),
  [keys.deleted]: { state: 'revoked', kind: 'full', scopes: null },
}

const error = (status: number, message: string, more: { type?: string; code?: string | null; param?: string | null } = {}): Reply => ({
  status,
  body: { error: { message, type: 'invalid_request_error', param: null, code: null, ...more } },
})
const QUOTA = 'You exceeded your current quota, please check your plan and billing details.'

/** [errors] [seen] Ready-made refusals. */
export const replies = {
  badKey: (given = 'sk-proj-********************D4-a'): Reply =>
    error(401, `Incorrect API key provided: ${given}. You can find your API key at https://platform.openai.com/account/api-keys.`, {
      code: 'invalid_api_key',
    }),
  noOrganization: (): Reply => error(401, 'You must be a member of an organization to use the API.'),
  address: (): Reply => error(401, 'Your IP is not authorized to access this resource.', { code: 'ip_not_authorized' }),
  scope: (scope: string, status: 401 | 403 = 403): Reply =>
    error(
      status,
      `You have insufficient permissions for this operation. Missing scopes: ${scope}. Check that you have the correct role in your organization (Reader, Writer, Owner) and project (Member, Owner), and if you're using a restricted API key, that it has the necessary scopes.`,
      { code: status === 401 ? 'missing_scope' : null },
    ),
  country: (): Reply =>
    error(403, 'Country, region, or territory not supported', { type: 'request_forbidden', code: 'unsupported_country_region_territory' }),
  project: (): Reply => error(403, 'Project `proj_x` does not have access to model `gpt-5.5`', { code: 'model_not_found' }),
  noModel: (model: string): Reply =>
    error(404, `The model \`${model}\` does not exist or you do not have access to it.`, { code: 'model_not_found' }),
  notChat: (): Reply =>
    error(404, 'This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?', {
      param: 'model',
    }),
  oldName: (): Reply =>
    error(400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", {
      param: 'max_tokens',
      code: 'unsupported_parameter',
    }),
  context: (): Reply =>
    error(400, "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.", {
      param: 'messages',
      code: 'context_length_exceeded',
    }),
  quota: (code = 'insufficient_quota'): Reply => error(429, QUOTA, { type: 'insufficient_quota', code }),
  limited: (headers: Record<string, string>): Reply => ({
    ...error(429, 'Rate limit reached for gpt-4.1-mini in organization org-x on requests per min (RPM): Limit 3, Used 3, Requested 1.', {
      type: 'requests',
      code: 'rate_limit_exceeded',
    }),
    headers,
  }),
  slowDown: (headers: Record<string, string>): Reply => ({
    ...error(429, 'Slow down.', { type: 'rate_limit_error', code: 'slow_down' }),
    headers,
  }),
  tooLarge: (): Reply =>
    error(
      429,
      'Request too large for gpt-4.1-mini in organization org-x on tokens per min (TPM): Limit 30000, Requested 50000. The input or output tokens must be reduced in order to run successfully. Visit https://platform.openai.com/account/rate-limits to learn more.',
      { type: 'tokens', code: 'rate_limit_exceeded' },
    ),
  broken: (): Reply => error(500, 'The server had an error while processing your request', { type: 'server_error' }),
  overloaded: (): Reply =>
    error(503, 'The engine is currently overloaded, please try again later', {
      type: 'service_unavailable_error',
      code: 'server_is_overloaded',
    }),
  /** Not OpenAI: resellers that speak its API answer so when the account is empty. */
  payment: (): Reply => ({ status: 402, body: { error: { message: 'Insufficient credits', code: 402 } } }),
}

const USUAL: Readonly<Record<number, () => Reply>> = {
  403: () => replies.scope('model.request'),
  404: () => replies.noModel('gpt-0'),
  429: () => replies.limited({}),
  503: replies.overloaded,
}
/** The body that a status usually has. */
export const errorBody = (status: number): unknown => (USUAL[status] ?? replies.broken)().body

const MODELS = ['gpt-4.1-mini', 'gpt-5.5', 'o4-mini', 'text-embedding-3-small', 'gpt-5.5-pro', 'whisper-1'].map((id, n) => ({
  id,
  object: 'model',
  created: 1_744_316_542 + n,
  owned_by: 'system',
}))

/** [reference] CreateChatCompletionRequest, as far as it is older than this connector. */
const CHAT = ['model', 'messages', 'max_tokens', 'max_completion_tokens', 'temperature', 'response_format', 'stop', 'stream', 'n', 'seed']

function wrongChat(body: Record<string, unknown>): Reply | null {
  const { model, messages, temperature = 1, response_format } = body
  if (typeof model !== 'string') return error(400, 'you must provide a model parameter')
  if (!MODELS.some(({ id }) => id === model)) return replies.noModel(model)
  if (!/^(?:gpt|o\d)/.test(model) || model.endsWith('-pro')) return replies.notChat()
  if (!Array.isArray(messages) || messages.length === 0) return error(400, "Missing required parameter: 'messages'.", { param: 'messages' })
  const roles = ['system', 'developer', 'user', 'assistant', 'tool']
  const odd = messages.findIndex((it) => !roles.includes(it.role) || typeof it.content !== 'string')
  if (odd >= 0) return error(400, `Invalid value: messages[${odd}].`, { param: `messages[${odd}]`, code: 'invalid_value' })
  const thinks = model !== 'gpt-4.1-mini'
  if (thinks && body.max_tokens !== undefined) return replies.oldName()
  if (thinks && temperature !== 1)
    return error(400, "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.", {
      param: 'temperature',
      code: 'unsupported_value',
    })
  if (Number(temperature) < 0 || Number(temperature) > 2) return error(400, "Invalid 'temperature'.", { param: 'temperature' })
  const type = (response_format as { type?: string } | undefined)?.type
  if (type === 'json_object' && !/json/i.test(JSON.stringify(messages)))
    return error(400, "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.", {
      param: 'messages',
    })
  return body.stream === true ? error(400, 'This stub does not stream.', { param: 'stream' }) : null
}

function completed({ body }: Asked): Reply {
  const refused = wrongChat(body)
  if (refused !== null) return refused
  const most = Number(body.max_completion_tokens ?? body.max_tokens ?? 1000)
  const asked = String((body.messages as { content: string }[]).at(-1)?.content)
  const json = ((body.response_format as { type?: string } | undefined)?.type ?? 'text') !== 'text'
  const whole = json ? '{"capital": "Paris"}' : 'Paris.'
  const declines = asked.includes('forbidden')
  const choice = {
    index: 0,
    message: {
      role: 'assistant',
      content: declines ? null : whole.slice(0, most * 4),
      refusal: declines ? "I can't help with that." : null,
    },
    logprobs: null,
    finish_reason: whole.length > most * 4 ? 'length' : 'stop',
  }
  const usage = { prompt_tokens: 19, completion_tokens: Math.min(most, 10), total_tokens: 19 + Math.min(most, 10) }
  return {
    status: 200,
    body: {
      id: 'chatcmpl-123',
      object: 'chat.completion',
      created: 1_741_569_952,
      model: `${body.model}-2026-04-14`,
      choices: [choice],
      usage,
    },
  }
}

function embedded({ body }: Asked): Reply {
  const { model, input, dimensions = 1536 } = body
  if (model !== 'text-embedding-3-small') return replies.noModel(String(model))
  const texts = [input].flat()
  if (texts.length === 0 || texts.length > 2048 || texts.some((it) => it === ''))
    return error(400, "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.")
  if (body.encoding_format !== 'float') return error(400, 'This stub knows floats only.', { param: 'encoding_format' })
  const data = texts.map((it, index) => ({
    object: 'embedding',
    index,
    embedding: Array.from({ length: Number(dimensions) }, (_, n) => String(it).length / (n + 1)),
  }))
  // The order is told by `index` alone.
  return { status: 200, body: { object: 'list', data: data.reverse(), model, usage: { prompt_tokens: 8, total_tokens: 8 } } }
}

const paid = (answer: (asked: Asked) => Reply) => (asked: Asked) =>
  asked.credential.kind === 'poor' ? replies.quota('credit_balance_exhausted') : answer(asked)
const routes: Route[] = [
  { call: 'GET /models', scopes: ['api.model.read'], answer: () => ({ status: 200, body: { object: 'list', data: MODELS } }) },
  { call: 'POST /chat/completions', scopes: ['model.request'], body: CHAT, answer: paid(completed) },
  {
    call: 'POST /embeddings',
    scopes: ['model.request'],
    body: ['model', 'input', 'dimensions', 'encoding_format', 'user'],
    answer: paid(embedded),
  },
]

const openai: Vendor = {
  routes,
  credentials,
  credentialOf: (req: Recorded) => /^Bearer (\S+)$/.exec(req.headers.authorization ?? '')?.[1] ?? null,
  demand: (req) =>
    req.headers.authorization === undefined
      ? error(401, "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.")
      : null,
  unauthorized: () => replies.badKey(),
  unknownRoute: (req) => error(404, `Invalid URL (${req.method} ${req.path})`),
  unknownField: (name) => error(400, `Unrecognized request argument supplied: ${name}`),
  scopeMissing: (_, scopes) => replies.scope(scopes[0] ?? '', 401),
  always: () => ({
    'openai-organization': 'acme-inc',
    'openai-processing-ms': '212',
    'openai-version': '2020-10-01',
    'x-request-id': 'req_123',
    'x-ratelimit-limit-requests': '5000',
    'x-ratelimit-remaining-requests': '4999',
    'x-ratelimit-reset-requests': '12ms',
  }),
}

export const startOpenai = (): Promise<Stub> => startStub(openai)
