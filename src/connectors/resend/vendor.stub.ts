/**
 * Resend's contract as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [spec] Resend's OpenAPI 1.5.0 (github.com/resend/resend-openapi): routes, fields, what is required, shapes of answers
 * - [errors] resend.com/docs/api-reference/errors, in its wording of autumn 2026: names, statuses and sentences; a key that does not exist is
 *   a 401 where mail is sent and a 400 elsewhere, both called validation_error. Before, it was a 403 called invalid_api_key
 * - [intro] resend.com/docs/api-reference/introduction: bearer, User-Agent (a 403 with 1010 without one)
 * - [limits] resend.com/docs/api-reference/rate-limit: ratelimit-* headers (reset in seconds), retry-after, 5 requests a second for a team
 * - [pages] resend.com/docs/api-reference/pagination: limit 1 to 100, after and before (not both), has_more; everything when no limit is given
 * - [keys] resend.com/docs/dashboard/emails/idempotency-keys: 1 to 256 characters, 24 hours, the same answer again, 409 for another body
 * - [seen] in recordings of Resend's own Node client: the 404 of a thing that does not exist, ratelimit-policy
 * Not known, so chosen: the answer to a field nobody knows, to a cursor that does not exist and to cancelling what has gone out; the sentence of
 * a missing field; the order of the checks; that invalid_permission is met by keys at all.
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

const key = (name: string) => `re_${name}_${'A1b2C3d4'.repeat(3)}`
/** Made up. */
export const keys = {
  full: key('Full'),
  sending: key('Sending'),
  inactive: key('Inactive'),
  suspended: key('Suspended'),
  deleted: key('Deleted'),
}
const credentials: Record<string, Credential> = {
  [keys.full]: { state: 'valid', kind: 'full_access', scopes: ['full_access'] },
  [keys.sending]: { state: 'valid', kind: 'sending_access', scopes: ['sending_access'] },
}

const error = (statusCode: number, name: string, message: string): Reply => ({ status: statusCode, body: { statusCode, name, message } })
const ok = (body: unknown): Reply => ({ status: 200, body })
const RESTRICTED = 'This API key is restricted to only send emails.'

/** [errors] Ready-made refusals. */
export const replies = {
  badKey: (status: 400 | 401): Reply => error(status, 'validation_error', 'API key is invalid'),
  oldBadKey: (): Reply => error(403, 'invalid_api_key', 'API key is invalid.'),
  missingKey: (): Reply => error(401, 'missing_api_key', 'Missing API key in the authorization header.'),
  restricted: (): Reply => error(401, 'restricted_api_key', RESTRICTED),
  inactive: (): Reply => error(403, 'restricted_api_key', 'API key is not active'),
  suspended: (): Reply => error(403, 'suspended_api_key', 'This API key is suspended'),
  permission: (): Reply => error(403, 'invalid_permission', 'Access token is missing required scopes.'),
  testing: (): Reply =>
    error(
      403,
      'validation_error',
      'You can only send testing emails to your own email address (you@example.com). To send emails to other recipients, please verify a domain at resend.com/domains, and change the `from` address to an email using this domain.',
    ),
  unverified: (): Reply => error(403, 'validation_error', 'The example.com domain is not verified. Please, add and verify your domain.'),
  quota: (name: 'daily' | 'monthly'): Reply => error(429, `${name}_quota_exceeded`, `You have exceeded your ${name} email sending quota.`),
  aboveQuota: (): Reply =>
    error(403, 'email_above_quota', "You can't retrieve this email's content because it was above quota when received."),
  tooFast: (headers: Record<string, string>): Reply => ({
    ...error(
      429,
      'rate_limit_exceeded',
      'Too many requests. Please limit the number of requests per second. Or contact support to increase rate limit.',
    ),
    headers,
  }),
  concurrent: (): Reply =>
    error(409, 'concurrent_idempotent_requests', 'There is another request in progress with the same idempotency key.'),
  otherBody: (): Reply => error(409, 'invalid_idempotent_request', 'Same idempotency key used with a different request payload.'),
  locked: (): Reply => error(409, 'resource_locked', 'Another request is already updating this resource.'),
  security: (): Reply => error(451, 'security_error', 'We may have found a security issue with the request.'),
  notFound: (): Reply => error(404, 'not_found', 'The requested endpoint does not exist.'),
  unavailable: (): Reply => error(503, 'service_unavailable', 'API is temporarily unavailable'),
  broken: (): Reply => error(500, 'application_error', 'An unexpected error occurred.'),
  field: (message: string): Reply => error(422, 'validation_error', message),
  /** [intro] From what stands before the API. */
  edge: (): Reply => ({ status: 403, headers: { 'content-type': 'text/plain; charset=UTF-8' }, body: 'error code: 1010' }),
}

const USUAL: Readonly<Record<number, () => Reply>> = {
  403: replies.permission,
  404: replies.notFound,
  409: replies.locked,
  422: () => replies.field('Invalid `to` field.'),
  429: () => replies.tooFast({}),
  503: replies.unavailable,
}
/** The body that a status usually has. */
export const errorBody = (status: number): unknown => (USUAL[status] ?? replies.broken)().body

export const DELIVERED = '4ef9a417-02e9-4d39-ad75-9611e0fcc33c'
export const SCHEDULED = '7a2c1d3e-9f4b-4c8d-8e6f-5b4a3c2d1e0f'
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/
const uuid = (n: number) => `d91cd9bd-1176-453e-8fc1-${String(n).padStart(12, '0')}`
const email = (id: string, last_event: string) => ({
  object: 'email',
  id,
  to: ['ada@example.com'],
  from: 'Acme <hello@mail.example.com>',
  created_at: '2026-11-20T22:13:42.674981+00:00',
  subject: 'Hello',
  html: null,
  text: 'How are you?',
  bcc: [],
  cc: [],
  reply_to: [],
  last_event,
})
const EMAILS: Record<string, object> = { [DELIVERED]: email(DELIVERED, 'delivered'), [SCHEDULED]: email(SCHEDULED, 'scheduled') }
const DOMAINS = [1, 2, 3, 4, 5].map((n) => ({
  id: uuid(n),
  name: `mail${n}.example.com`,
  status: n === 4 ? 'verified' : 'not_started',
  created_at: '2026-04-26T20:21:26.347412+00:00',
  region: 'us-east-1',
}))
const SEGMENTS = [1, 2, 3, 4, 5].map((n) => ({ id: uuid(100 + n), name: `Readers ${n}`, created_at: '2026-10-06T22:59:55.977Z' }))

/** [pages] */
const PAGED = ['limit', 'after', 'before']
function list({ req }: Asked, items: readonly { id: string }[]): Reply {
  const [limit, after, before] = PAGED.map((name) => req.query.get(name))
  if (limit !== null && !/^(?:[1-9]\d?|100)$/.test(limit ?? '')) return replies.field('The `limit` must be between 1 and 100.')
  if (after !== null && before !== null) return replies.field('You can only use either `after` or `before`.')
  const edge = items.findIndex(({ id }) => id === (after ?? before))
  if ((after ?? before) !== null && edge < 0) return replies.field('The cursor does not exist.')
  const rest = after !== null ? items.slice(edge + 1) : before !== null ? items.slice(0, edge) : items
  const data = limit === null ? rest : rest.slice(0, Number(limit))
  return ok({ object: 'list', has_more: data.length < rest.length, data })
}

/** [spec] SendEmailRequest. */
const FIELDS = [
  'from',
  'to',
  'subject',
  'bcc',
  'cc',
  'reply_to',
  'html',
  'text',
  'template',
  'headers',
  'scheduled_at',
  'attachments',
  'tags',
  'topic_id',
]
function wrong(body: Record<string, unknown>): Reply | null {
  const lacks = ['from', 'to', 'subject'].find((name) => body[name] === undefined)
  if (lacks !== undefined) return error(422, 'missing_required_field', `Missing \`${lacks}\` field.`)
  if (body.html === undefined && body.text === undefined && body.template === undefined)
    return error(422, 'missing_required_field', 'Missing `html` or `text` field.')
  const to = [body.to].flat()
  if (to.length > 50 || to.some((it) => typeof it !== 'string' || !it.includes('@'))) return replies.field('Invalid `to` field.')
  const from = /@([^@>\s]+)>?$/.exec(String(body.from))?.[1]
  if (from === undefined)
    return error(
      422,
      'invalid_from_address',
      'Invalid `from` field. The email address needs to follow the `email@example.com` or `Name <email@example.com>` format.',
    )
  if (from !== 'mail.example.com')
    return error(403, 'validation_error', `The ${from} domain is not verified. Please, add and verify your domain.`)
  const files = (body.attachments ?? []) as { content?: string; path?: string; filename?: string }[]
  if (files.some((it) => it.content === undefined && it.path === undefined))
    return error(422, 'invalid_attachment', 'Attachment must have either a `content` or `path`.')
  const tags = (body.tags ?? []) as { name?: string; value?: string }[]
  if (tags.some(({ name = '', value = '' }) => !/^[\w-]{1,256}$/.test(name) || !/^[\w-]{1,256}$/.test(value)))
    return replies.field('Tags should only contain ASCII letters, numbers, underscores, or dashes.')
  return null
}

const one = ({ at }: Asked, then: (found: object) => Reply): Reply => {
  const id = at.email_id ?? ''
  if (!UUID.test(id)) return error(422, 'invalid_parameter', 'The `id` must be a valid UUID.')
  const found = EMAILS[id]
  return found === undefined ? error(404, 'not_found', 'Email not found') : then(found)
}

function routes(): Route[] {
  /** [keys] What was sent under a key, and what it was answered. */
  const sent = new Map<string, { body: string; reply: Reply }>()
  const send = ({ req, body }: Asked): Reply => {
    const under = req.headers['idempotency-key']
    if (under !== undefined && (under.length < 1 || under.length > 256))
      return error(400, 'invalid_idempotency_key', 'Idempotency keys, if present, must have between 1 and 256 characters.')
    const before = sent.get(String(under))
    if (under !== undefined && before !== undefined) return before.body === req.body ? before.reply : replies.otherBody()
    const refused = wrong(body)
    if (refused !== null) return refused
    const reply = ok({ id: uuid(1000 + sent.size) })
    if (under !== undefined) sent.set(String(under), { body: req.body, reply })
    return reply
  }
  const full = { scopes: ['full_access'] }
  return [
    { call: 'POST /emails', scopes: ['full_access', 'sending_access'], body: FIELDS, answer: send },
    { call: 'GET /emails/{email_id}', ...full, answer: (asked) => one(asked, ok) },
    {
      call: 'POST /emails/{email_id}/cancel',
      ...full,
      answer: (asked) =>
        one(asked, (found) =>
          'last_event' in found && found.last_event === 'scheduled'
            ? ok({ object: 'email', id: asked.at.email_id })
            : replies.field('Email cannot be canceled.'),
        ),
    },
    { call: 'GET /domains', ...full, query: PAGED, answer: (asked) => list(asked, DOMAINS) },
    { call: 'GET /segments', ...full, query: PAGED, answer: (asked) => list(asked, SEGMENTS) },
    { call: 'GET /audiences', ...full, query: PAGED, answer: (asked) => list(asked, SEGMENTS.slice(0, 1)) },
  ]
}

const keyOf = (req: Recorded) => /^Bearer (\S+)$/.exec(req.headers.authorization ?? '')?.[1] ?? null

const resend = (): Vendor => ({
  routes: routes(),
  credentials,
  credentialOf: keyOf,
  demand: (req) => {
    if (!req.headers['user-agent'] || req.headers['user-agent'] === 'node') return replies.edge()
    const given = keyOf(req)
    if (given === null) return replies.missingKey()
    if (given === keys.inactive) return replies.inactive()
    if (given === keys.suspended) return replies.suspended()
    if (credentials[given] !== undefined) return null
    return replies.badKey(req.method === 'POST' && /^\/emails(?:\/batch)?$/.test(req.path) ? 401 : 400)
  },
  unauthorized: () => replies.badKey(400),
  unknownRoute: replies.notFound,
  unknownField: (name) => replies.field(`The \`${name}\` field is not known.`),
  scopeMissing: replies.restricted,
  always: () => ({ 'ratelimit-limit': '5', 'ratelimit-policy': '5;w=1', 'ratelimit-remaining': '4', 'ratelimit-reset': '1' }),
})

export const startResend = (): Promise<Stub> => startStub(resend())
