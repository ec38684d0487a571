/**
 * Anthropic's contract as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [reference] API reference: POST /v1/messages, GET /v1/models (limit 1 to 1000, after_id, before_id, has_more, last_id), x-api-key, anthropic-version
 * - [errors] platform.claude.com/docs/en/api/errors, as of autumn 2026: statuses and types, the shape with request_id, 400 at a spend limit one has
 *   set, 402 billing_error, 529 overloaded_error
 * - [limits] platform.claude.com/docs/en/api/rate-limits: retry-after, anthropic-ratelimit-* with times in RFC 3339; the cap of a tier as a 429 without
 *   retry-after, with error.details.error_code enforced_spend_limit_reached
 * - [json] platform.claude.com/docs/en/build-with-claude/structured-outputs: output_config.format
 * - [headers] API overview: request-id, anthropic-organization-id
 * - [seen] in answers that client programs quote: "invalid x-api-key", "anthropic-version: header is required", "Your credit balance is too low …",
 *   "model: …", "… Extra inputs are not permitted", "max_tokens: Field required", "`temperature` is deprecated for this model.", 403 "Request not
 *   allowed" of the type forbidden
 * Not known, so chosen: that the version is looked at before the key, the answer to a cursor that does not exist, that "Request not allowed" always
 * means the place that a call comes from.
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

const key = (name: string) => `sk-ant-api03-${name}${'a1B2_c3D4-'.repeat(6)}AA`
/** Made up. `poor` has no credit left, `narrow` is of a workspace that may not use models. */
export const keys = { valid: key('Valid'), poor: key('Poor'), narrow: key('Narrow'), revoked: key('Revoked') }
const credentials: Record<string, Credential> = {
  [keys.valid]: { state: 'valid', kind: 'workspace', scopes: null },
  [keys.poor]: { state: 'valid', kind: 'poor', scopes: null },
  [keys.narrow]: { state: 'valid', kind: 'workspace', scopes: [] },
  [keys.revoked]: { state: 'revoked', kind: 'workspace', scopes: null },
}
export const ORGANIZATION = '3f2b1c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d'

const error = (status: number, type: string, message: string, more: object = {}): Reply => ({
  status,
  headers: { 'request-id': 'req_018EeWyXxfu5pfWkrYcMdjWG' },
  body: { type: 'error', error: { type, message, ...more }, request_id: 'req_018EeWyXxfu5pfWkrYcMdjWG' },
})
const invalid = (message: string) => error(400, 'invalid_request_error', message)

/** [errors] [limits] [seen] Ready-made refusals. */
export const replies = {
  badKey: (): Reply => error(401, 'authentication_error', 'invalid x-api-key'),
  billing: (): Reply => error(402, 'billing_error', "There's an issue with your billing or payment information."),
  noCredit: (): Reply =>
    invalid('Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.'),
  ownLimit: (of = ''): Reply =>
    invalid(`You have reached your specified ${of}API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.`),
  tierCap: (): Reply =>
    error(
      429,
      'rate_limit_error',
      "You have reached your API usage limits: your organization has crossed its monthly API usage threshold, set based on your organization's API tier. You will regain access on 2026-12-01 at 00:00 UTC.",
      { details: { error_code: 'enforced_spend_limit_reached' } },
    ),
  permission: (): Reply => error(403, 'permission_error', 'Your API key does not have permission to use the specified resource.'),
  place: (): Reply => error(403, 'forbidden', 'Request not allowed'),
  noModel: (model: string): Reply => error(404, 'not_found_error', `model: ${model}`),
  notFound: (): Reply => error(404, 'not_found_error', 'The requested resource could not be found.'),
  conflict: (): Reply => error(409, 'conflict_error', 'The resource was modified concurrently.'),
  tooLarge: (): Reply => error(413, 'request_too_large', 'Request exceeds the maximum size'),
  unprocessable: (): Reply => error(422, 'invalid_request_error', 'This cannot be processed.'),
  limited: (headers: Record<string, string>): Reply => {
    const reply = error(429, 'rate_limit_error', "This request would exceed your organization's rate limit of 50 requests per minute.")
    return { ...reply, headers: { ...reply.headers, ...headers } }
  },
  broken: (): Reply => error(500, 'api_error', 'Internal server error'),
  slow: (): Reply => error(504, 'timeout_error', 'Request timed out'),
  overloaded: (): Reply => error(529, 'overloaded_error', 'Overloaded'),
  deprecated: (): Reply => invalid('`temperature` is deprecated for this model.'),
}

const USUAL: Readonly<Record<number, () => Reply>> = {
  403: replies.permission,
  404: replies.notFound,
  409: replies.conflict,
  422: replies.unprocessable,
  429: () => replies.limited({}),
}
/** The body that a status usually has. */
export const errorBody = (status: number): unknown => (USUAL[status] ?? replies.broken)().body

/** The newest first. */
const MODELS = ['claude-opus-5', 'claude-sonnet-5', 'claude-opus-4-6', 'claude-sonnet-4-6', 'claude-haiku-4-5'].map((id, n) => ({
  type: 'model',
  id,
  display_name: id.replace(/-/g, ' '),
  created_at: `2026-0${8 - n}-01T00:00:00Z`,
  max_input_tokens: 200_000,
  max_tokens: n === 4 ? null : 64_000,
  capabilities: null,
}))

function listed({ req }: Asked): Reply {
  const limit = req.query.get('limit') ?? '20'
  if (!/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > 1000) return invalid('limit: Input should be between 1 and 1000')
  const after = req.query.get('after_id')
  const from = after === null ? 0 : MODELS.findIndex(({ id }) => id === after) + 1
  if (after !== null && from === 0) return replies.notFound()
  const data = MODELS.slice(from, from + Number(limit))
  return {
    status: 200,
    body: { data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: from + data.length < MODELS.length },
  }
}

function wrong(body: Record<string, unknown>): Reply | null {
  const lacks = ['model', 'max_tokens', 'messages'].find((name) => body[name] === undefined)
  if (lacks !== undefined) return invalid(`${lacks}: Field required`)
  const model = MODELS.find(({ id }) => id === body.model)
  if (model === undefined) return replies.noModel(String(body.model))
  const { max_tokens, messages, temperature, output_config } = body
  if (!Number.isInteger(max_tokens) || Number(max_tokens) < 1) return invalid('max_tokens: Input should be greater than or equal to 1')
  if (model.max_tokens !== null && Number(max_tokens) > model.max_tokens)
    return invalid(`max_tokens: ${max_tokens} > ${model.max_tokens}, which is the maximum allowed number of output tokens for ${model.id}`)
  if (!Array.isArray(messages) || messages.length === 0) return invalid('messages: at least one message is required')
  const odd = messages.findIndex((it) => !['user', 'assistant'].includes(it.role))
  if (odd >= 0) return invalid(`messages.${odd}.role: Input should be 'user' or 'assistant'`)
  if (temperature !== undefined && model.id.endsWith('-5') && !model.id.includes('4-5')) return replies.deprecated()
  if (temperature !== undefined && (Number(temperature) < 0 || Number(temperature) > 1)) return invalid('temperature: range: 0..1')
  const format = (output_config as { format?: { type?: string; schema?: { additionalProperties?: unknown } } } | undefined)?.format
  if (format !== undefined && (format.type !== 'json_schema' || format.schema?.additionalProperties !== false))
    return invalid("output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false")
  return body.stream === true ? invalid('This stub does not stream.') : null
}

function answered({ body, credential }: Asked): Reply {
  if (credential.kind === 'poor') return replies.noCredit()
  const refused = wrong(body)
  if (refused !== null) return refused
  const most = Number(body.max_tokens)
  const asked = String((body.messages as { content: string }[]).at(-1)?.content)
  const whole = body.output_config === undefined ? 'Paris is the capital.' : '{"capital": "Paris"}'
  const declines = asked.includes('forbidden')
  const shown = declines ? '' : whole.slice(0, most * 4)
  const [head, tail] = [shown.slice(0, 5), shown.slice(5)]
  return {
    status: 200,
    body: {
      id: 'msg_013Zva2CMHLNnjNjJJKqJ2EF',
      type: 'message',
      role: 'assistant',
      model: `${body.model}-20251001`,
      content: declines
        ? []
        : [
            { type: 'thinking', thinking: 'The user asks for a capital.', signature: 'EqQB' },
            { type: 'text', text: head },
            { type: 'text', text: tail },
          ],
      stop_reason: declines ? 'refusal' : whole.length > most * 4 ? 'max_tokens' : 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 19, output_tokens: Math.min(most, 7), cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
    },
  }
}

const FIELDS = [
  'model',
  'messages',
  'max_tokens',
  'system',
  'temperature',
  'stop_sequences',
  'output_config',
  'stream',
  'metadata',
  'top_k',
  'top_p',
]
const routes: Route[] = [
  { call: 'GET /v1/models', scopes: ['models'], query: ['limit', 'after_id', 'before_id'], answer: listed },
  { call: 'POST /v1/messages', scopes: ['models'], body: FIELDS, answer: answered },
]

const anthropic: Vendor = {
  routes,
  credentials,
  credentialOf: ({ headers }: Recorded) => (headers['x-api-key'] as string | undefined) ?? null,
  demand: ({ headers }) => {
    const version = headers['anthropic-version']
    if (version === undefined) return invalid('anthropic-version: header is required')
    if (version !== '2023-06-01' && version !== '2023-01-01') return invalid(`anthropic-version: "${version}" is not a valid version`)
    return headers['x-api-key'] === undefined ? error(401, 'authentication_error', 'x-api-key header is required') : null
  },
  unauthorized: replies.badKey,
  unknownRoute: replies.notFound,
  unknownField: (name) => invalid(`${name}: Extra inputs are not permitted`),
  scopeMissing: replies.permission,
  always: () => ({
    'request-id': 'req_011CSHoEeqs5C35K2UUqR7Fy',
    'anthropic-organization-id': ORGANIZATION,
    'anthropic-ratelimit-requests-limit': '50',
    'anthropic-ratelimit-requests-remaining': '49',
    'anthropic-ratelimit-requests-reset': '2026-11-26T12:00:00Z',
  }),
}

export const startAnthropic = (): Promise<Stub> => startStub(anthropic)
