/**
 * The Cloud API's contract as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [openapi] github.com/facebook/openapi, business messaging v23.0: paths, fields of a message and of media, pages with cursors
 * - [errors] developers.facebook.com, WhatsApp Business Platform, "Error codes": code, title and status of each
 * - [graph] Graph API, "Handle errors": the error object, code 190 with subcodes 458 to 467, code 100 with subcode 33, code 104
 * - [pages] Graph API, "Paginated results": 25 at first, `next` is there while there is more, cursors also on the last page
 * - [limits] Graph API, "Rate limits": X-Business-Use-Case-Usage with minutes; no Retry-After is promised
 * - [versions] Graph API, "Versions" and "Platform versioning": what lives; an ended version is served by the oldest that lives
 * - [media] "Supported media types": kinds and sizes. "Upload media": file, type and messaging_product as a form
 * - [permissions] "Permissions": which of the two each route takes. Graph API, "User permissions": /me/permissions
 * - [seen] sentences that users of the API quote in their reports, word for word: 131047, 132000, 132001, 190
 * Not known, so chosen: the sentence for an unknown field of a message, the order of Meta's checks, the status of code 4 and its kin
 * (400 or 429; the connector goes by the code), and whether /me/permissions tells of a system user's token as it does of a user's.
 */
import { type Asked, type Credential, type Recorded, type Reply, type Route, type Stub, startStub } from '../../../test/fakes/stub.ts'
import { type SignUps, startSignUps } from './sign-up.stub.ts'

const token = (what: string) => `EAAG${what}${'Zx9Ka2'.repeat(8)}`
export const tokens = {
  both: token('Both'),
  messaging: token('Messaging'),
  management: token('Management'),
  untold: token('Untold'),
  expired: token('Expired'),
  revoked: token('Revoked'),
}
const MESSAGING = 'whatsapp_business_messaging'
const MANAGEMENT = 'whatsapp_business_management'
const live = (kind: string, scopes: string[]): Credential => ({ state: 'valid', kind, scopes })
const credentials: Record<string, Credential> = {
  [tokens.both]: live('system user', [MANAGEMENT, MESSAGING, 'business_management']),
  [tokens.messaging]: live('system user', [MESSAGING]),
  [tokens.management]: live('system user', [MANAGEMENT]),
  [tokens.untold]: live('business', [MANAGEMENT, MESSAGING]),
  [tokens.expired]: { state: 'expired', kind: 'user', scopes: [MESSAGING] },
  [tokens.revoked]: { state: 'revoked', kind: 'system user', scopes: [MESSAGING] },
}

export const WABA = '102290129340398'
/** [versions] On 2026-11-26. */
const LIVING = ['v21.0', 'v22.0', 'v23.0', 'v24.0', 'v25.0', 'v26.0']

interface Told {
  subcode?: number
  details?: string
  transient?: boolean
  headers?: Record<string, string>
  type?: string
}
/** [graph] The error object. */
export const error = (status: number, code: number, message: string, told: Told = {}): Reply => ({
  status,
  ...(told.headers === undefined ? {} : { headers: told.headers }),
  body: {
    error: {
      message,
      type: told.type ?? 'OAuthException',
      code,
      ...(told.subcode === undefined ? {} : { error_subcode: told.subcode }),
      ...(told.transient === undefined ? {} : { is_transient: told.transient }),
      ...(told.details === undefined ? {} : { error_data: { messaging_product: 'whatsapp', details: told.details } }),
      fbtrace_id: 'AXsgnV2Cm3ZMGF3dF_cfYIn',
    },
  },
})
const invalid = (details: string): Reply => error(400, 100, '(#100) Invalid parameter', { details })
const unknownObject = (verb: string, id: string): Reply =>
  error(
    400,
    100,
    `Unsupported ${verb} request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation. Please read the Graph API documentation at https://developers.facebook.com/docs/graph-api`,
    { subcode: 33, type: 'GraphMethodException' },
  )

/** [graph] Word for word, with the time that Meta writes into them. */
export const dead = {
  expired: error(
    401,
    190,
    'Error validating access token: Session has expired on Wednesday, 25-Nov-26 05:00:00 PST. The current time is Thursday, 26-Nov-26 08:24:52 PST.',
    { subcode: 463 },
  ),
  revoked: error(
    401,
    190,
    'Error validating access token: The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.',
    { subcode: 460 },
  ),
  removed: error(401, 190, 'Error validating access token: The user has not authorized application 634974688087057.', { subcode: 458 }),
  unknown: error(401, 190, 'Invalid OAuth access token - Cannot parse access token'),
  missing: error(401, 104, 'An access token is required to request this resource.'),
}
const usage = (minutes: number) => ({
  'x-business-use-case-usage': JSON.stringify({
    [WABA]: [{ type: 'whatsapp', call_count: 100, total_cputime: 25, total_time: 25, estimated_time_to_regain_access: minutes }],
  }),
})

/** [errors] and [seen] What the contract test gives to the connector, and what each must become. */
export const refusals: { name: string; reply: Reply; code: string; retryAfter?: number }[] = [
  { name: '190, expired', reply: dead.expired, code: 'CREDENTIAL_REJECTED' },
  { name: '190, expired, as older routes send it', reply: { ...dead.expired, status: 400 }, code: 'CREDENTIAL_REJECTED' },
  { name: '190, revoked', reply: dead.revoked, code: 'CREDENTIAL_REJECTED' },
  { name: '190, app removed', reply: dead.removed, code: 'CREDENTIAL_REJECTED' },
  { name: '190, no token of Meta', reply: dead.unknown, code: 'CREDENTIAL_REJECTED' },
  { name: '104', reply: dead.missing, code: 'CREDENTIAL_REJECTED' },
  { name: '0', reply: error(401, 0, '(#0) AuthException'), code: 'CREDENTIAL_REJECTED' },
  { name: '3', reply: error(500, 3, '(#3) Application does not have the capability to make this API call.'), code: 'SCOPE_MISSING' },
  { name: '10', reply: error(403, 10, '(#10) Application does not have permission for this action'), code: 'SCOPE_MISSING' },
  {
    name: '200',
    reply: error(
      403,
      200,
      '(#200) You do not have the necessary permissions required to send messages on behalf of this WhatsApp Business Account',
    ),
    code: 'SCOPE_MISSING',
  },
  { name: '299', reply: error(400, 299, '(#299) Permission denied'), code: 'SCOPE_MISSING' },
  { name: '368', reply: error(403, 368, '(#368) Temporarily blocked for policies violations'), code: 'SCOPE_MISSING' },
  { name: '131005', reply: error(403, 131005, '(#131005) Access denied'), code: 'SCOPE_MISSING' },
  { name: '131031', reply: error(403, 131031, '(#131031) Account has been locked'), code: 'SCOPE_MISSING' },
  {
    name: '4 for five minutes',
    reply: error(400, 4, '(#4) Application request limit reached', { headers: usage(5), transient: true }),
    code: 'UPSTREAM_RATE_LIMITED',
    retryAfter: 300,
  },
  {
    name: '80007 for an hour',
    reply: error(429, 80007, '(#80007) Rate limit issues', { headers: usage(60) }),
    code: 'UPSTREAM_RATE_LIMITED',
    retryAfter: 3600,
  },
  {
    name: '130429',
    reply: error(429, 130429, '(#130429) Rate limit hit', { headers: { 'retry-after': '30' } }),
    code: 'UPSTREAM_RATE_LIMITED',
    retryAfter: 30,
  },
  {
    name: '131048',
    reply: error(400, 131048, '(#131048) Spam rate limit hit', { headers: usage(30) }),
    code: 'UPSTREAM_RATE_LIMITED',
    retryAfter: 1800,
  },
  { name: '803', reply: error(404, 803, '(#803) Some of the aliases you requested do not exist: 99'), code: 'UPSTREAM_NOT_FOUND' },
  { name: '100 with subcode 33', reply: unknownObject('get', '99'), code: 'UPSTREAM_NOT_FOUND' },
  { name: '33', reply: error(400, 33, '(#33) Parameter value is not valid'), code: 'UPSTREAM_NOT_FOUND' },
  { name: '100', reply: error(400, 100, '(#100) The parameter to is required.'), code: 'UPSTREAM_INVALID' },
  { name: '131026', reply: error(400, 131026, '(#131026) Message undeliverable'), code: 'UPSTREAM_INVALID' },
  { name: '131047', reply: error(400, 131047, '(#131047) Re-engagement message'), code: 'UPSTREAM_INVALID' },
  { name: '131049', reply: error(400, 131049, '(#131049) Meta chose not to deliver.'), code: 'UPSTREAM_INVALID' },
  { name: '132001', reply: error(404, 132001, '(#132001) Template name does not exist in the translation'), code: 'UPSTREAM_INVALID' },
  { name: '132015', reply: error(400, 132015, '(#132015) Template is Paused'), code: 'UPSTREAM_INVALID' },
  { name: '133010', reply: error(400, 133010, '(#133010) Phone number Not Registered'), code: 'UPSTREAM_INVALID' },
  { name: '1', reply: error(400, 1, 'An unknown error occurred'), code: 'UPSTREAM_ERROR' },
  { name: '131000', reply: error(500, 131000, '(#131000) Something went wrong'), code: 'UPSTREAM_ERROR' },
  { name: '131057', reply: error(500, 131057, '(#131057) Account in maintenance mode'), code: 'UPSTREAM_ERROR' },
]

/** Meta's body for the statuses that every vendor has. There is no code for a conflict. */
export function errorBody(status: number): unknown {
  const codes: Record<number, number> = { 403: 10, 404: 803, 422: 100, 429: 4, 500: 2, 502: 2, 503: 2 }
  const code = codes[status]
  return code === undefined ? { error: { message: 'So it is.', type: 'OAuthException' } } : error(status, code, `(#${code}) So it is.`).body
}

const numbers = Array.from({ length: 5 }, (_, n) => ({
  id: String(106540352242922 + n),
  display_phone_number: `+1 555-078-388${n}`,
  verified_name: n === 0 ? 'Lucky Shrub' : `Lucky Shrub ${n}`,
  quality_rating: n === 4 ? 'YELLOW' : 'GREEN',
  code_verification_status: 'VERIFIED',
}))
export const PHONE = numbers[0]?.id as string
export const SECOND_PHONE = numbers[1]?.id as string
/** A number that this token may see, of another business account. */
export const FOREIGN_PHONE = '206540352242999'

const templates = ['order_shipped', 'hello_world', 'receipt', 'code', 'promo', 'reminder', 'survey'].map((name, n) => ({
  id: String(564750795574598 + n),
  name,
  language: 'en_US',
  status: name === 'promo' ? 'PAUSED' : 'APPROVED',
  category: name === 'promo' ? 'MARKETING' : 'UTILITY',
  components: [{ type: 'BODY', text: name === 'order_shipped' ? 'Hello {{1}}, {{2}} is on its way.' : 'Hello.' }],
}))

/** Recipients who are not like the others. */
export const people = { closed: '+15550000047', gone: '+15550000026', unlisted: '+15550000030', often: '+15550000056' }
/** [errors] and [seen] */
const unreached: Record<string, Reply> = {
  [people.closed]: error(400, 131047, '(#131047) Re-engagement message', {
    details: 'Message failed to send because more than 24 hours have passed since the customer last replied to this number.',
  }),
  [people.gone]: error(400, 131026, '(#131026) Message undeliverable', { details: 'Message Undeliverable.' }),
  [people.unlisted]: error(400, 131030, '(#131030) Recipient phone number not in allowed list', {
    details: 'Recipient phone number not in allowed list: Add recipient phone number to recipient list and try again.',
  }),
  [people.often]: error(400, 131056, '(#131056) (Business Account, Consumer Account) pair rate limit hit', {
    details: 'Message failed to send because there were too many messages sent from this phone number to the same phone number.',
  }),
}

const seen = (asked: Asked): boolean => numbers.some((it) => it.id === asked.at.id) || asked.at.id === FOREIGN_PHONE
const ok = (body: unknown): Reply => ({ status: 200, body })

/** [versions] Whoever asks for a version that has ended is served by the oldest one, and told. */
function versioned(answer: Route['answer']): Route['answer'] {
  return (asked) => {
    const v = asked.at.v as string
    if (!/^v\d{1,2}\.\d$/.test(v)) return error(400, 2500, `Unknown path components: /${v}`)
    const newest = LIVING.at(-1) as string
    if (Number(v.slice(1)) > Number(newest.slice(1))) return error(400, 2635, `(#2635) There is no version ${v}.`)
    const reply = answer(asked)
    return { ...reply, headers: { ...reply.headers, 'facebook-api-version': LIVING.includes(v) ? v : (LIVING[0] as string) } }
  }
}

/** [pages] */
function list({ req, url }: Asked, all: readonly unknown[]): Reply {
  const limit = Number(req.query.get('limit') ?? 25)
  const given = req.query.get('after')
  const from = given === null ? 0 : Number(Buffer.from(given, 'base64url').toString())
  if (!Number.isInteger(from)) return invalid('Invalid cursors values')
  const data = all.slice(from, from + limit)
  const after = Buffer.from(String(from + data.length)).toString('base64url')
  const query = new URLSearchParams(req.query)
  query.set('after', after)
  const next = from + limit < all.length ? { next: `${url}${req.path}?${query}` } : {}
  return ok({ data, ...(data.length === 0 ? {} : { paging: { cursors: { before: 'QVFIUjN', after }, ...next } }) })
}

const only = (it: Record<string, unknown>, names: readonly string[]) => Object.keys(it).find((name) => !names.includes(name))
const object = (value: unknown): Record<string, unknown> | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null

/** [openapi] What each kind of message takes. */
const PARTS: Record<string, readonly string[]> = {
  text: ['body', 'preview_url'],
  image: ['id', 'link', 'caption'],
  audio: ['id', 'link', 'voice'],
  video: ['id', 'link', 'caption'],
  document: ['id', 'link', 'caption', 'filename'],
  sticker: ['id', 'link'],
  template: ['name', 'language', 'components'],
}

/** null: nothing is wrong with the message. */
function wrongWith(body: Record<string, unknown>, uploads: ReadonlyMap<string, unknown>): Reply | null {
  if (body.messaging_product !== 'whatsapp') return invalid('The parameter messaging_product is required.')
  if (body.recipient_type !== 'individual') return invalid('The parameter recipient_type is required.')
  if (typeof body.to !== 'string' || !/\d/.test(body.to)) return invalid('The parameter to is required.')
  const opaque = body.biz_opaque_callback_data
  if (opaque !== undefined && (typeof opaque !== 'string' || opaque.length > 512)) return invalid('biz_opaque_callback_data')
  if (body.context !== undefined && typeof object(body.context)?.message_id !== 'string') return invalid('context.message_id')
  const type = String(body.type)
  const part = object(body[type])
  const known = PARTS[type]
  if (known === undefined) return error(400, 131051, '(#131051) Unsupported message type')
  if (part === null) return error(400, 131008, '(#131008) Required parameter is missing', { details: `${type} is missing` })
  const stranger = only(part, known) ?? Object.keys(PARTS).find((other) => other !== type && other in body)
  if (stranger !== undefined) return invalid(`Unexpected key "${stranger}" on param "${type}".`)
  if (type === 'text') {
    const text = part.body
    if (typeof text !== 'string' || text === '') return invalid('The parameter text["body"] is required.')
    return text.length > 4096 ? invalid('Param text["body"] must be at most 4096 characters long.') : null
  }
  if (type === 'template') return wrongTemplate(part)
  if ((part.id === undefined) === (part.link === undefined)) return invalid('Either id or link is required.')
  if (part.id === undefined || uploads.has(String(part.id))) return null
  return error(400, 131053, '(#131053) Media upload error', { details: 'The media id is not one of this number.' })
}

/** [errors] 132000 and 132001, [seen] */
function wrongTemplate(part: Record<string, unknown>): Reply | null {
  const code = object(part.language)?.code
  const found = templates.find((it) => it.name === part.name && it.language === code)
  if (found === undefined) {
    return error(404, 132001, '(#132001) Template name does not exist in the translation', {
      details: `template name (${part.name}) does not exist in ${code}`,
    })
  }
  if (found.status === 'PAUSED') return error(400, 132015, '(#132015) Template is Paused')
  const components = (part.components ?? []) as { type: string; parameters?: unknown[]; sub_type?: string; index?: unknown }[]
  for (const it of components)
    if (it.type === 'button' && (it.sub_type === undefined || it.index === undefined)) return invalid('A button needs sub_type and index.')
  const wanted = [...(found.components[0]?.text.matchAll(/\{\{\d\}\}/g) ?? [])].length
  const given = components.find((it) => it.type === 'body')?.parameters?.length ?? 0
  if (given === wanted) return null
  return error(400, 132000, '(#132000) Number of parameters does not match the expected number of params', {
    details: `body: number of localizable_params (${given}) does not match the expected number of params (${wanted})`,
  })
}

export interface Upload {
  type: string
  name: string
  content: string
}

/** [media] The three fields of the form. */
function takeApart(req: Recorded): Reply | Upload {
  const boundary = /^multipart\/form-data; ?boundary=([\w'()+,./:=?-]{1,70})$/.exec(req.headers['content-type'] ?? '')?.[1]
  const parts = boundary === undefined ? [] : `\r\n${req.body}`.split(`\r\n--${boundary}`)
  if (parts.length < 3 || parts[0] !== '' || !/^--(\r\n)?$/.test(parts.at(-1) ?? '')) return invalid('The form cannot be read.')
  const found = new Map<string, { name: string; type: string; content: string }>()
  for (const part of parts.slice(1, -1)) {
    const [, head = '', content = ''] = /^\r\n(.*?)\r\n\r\n(.*)$/s.exec(part) ?? []
    const field = /name="([^"]+)"/.exec(head)?.[1] ?? ''
    found.set(field, { name: /filename="([^"]+)"/.exec(head)?.[1] ?? '', type: /content-type: ?(\S+)/i.exec(head)?.[1] ?? '', content })
  }
  if (found.get('messaging_product')?.content !== 'whatsapp') return invalid('The parameter messaging_product is required.')
  const file = found.get('file')
  if (file === undefined || file.name === '') return invalid('The parameter file is required.')
  const types = /^(image\/(jpeg|png|webp)|audio\/(aac|amr|mpeg|mp4|ogg)|video\/(mp4|3gpp)|text\/plain|application\/[\w.-]+)$/
  if (!types.test(file.type) || file.type !== found.get('type')?.content)
    return invalid(`Param file must be of a known type, not ${file.type}.`)
  return file
}

export interface Meta extends Stub {
  signUps: SignUps
  uploads: ReadonlyMap<string, Upload>
}

export async function startMeta(): Promise<Meta> {
  const uploads = new Map<string, Upload>()
  const pending = new WeakMap<Recorded, Reply | Upload>()
  const known = { ...credentials }
  const signUps = startSignUps(known)
  let count = 0
  const node: Route = {
    call: 'GET /{v}/{id}',
    scopes: [MANAGEMENT],
    query: ['fields'],
    answer: versioned((asked) => {
      const number = asked.at.id === FOREIGN_PHONE ? { ...numbers[0], id: FOREIGN_PHONE } : numbers.find((it) => it.id === asked.at.id)
      const found: Record<string, unknown> | undefined = asked.at.id === WABA ? { id: WABA, name: 'Lucky Shrub Ltd' } : number
      if (found === undefined) return unknownObject('get', asked.at.id as string)
      const wanted = asked.req.query.get('fields')?.split(',') ?? ['id']
      const unknown = wanted.find((name) => !(name in found))
      if (unknown !== undefined) return error(400, 100, `(#100) Tried accessing nonexisting field (${unknown})`)
      return ok(Object.fromEntries(wanted.map((name) => [name, found[name]])))
    }),
  }
  const ofAccount = (edge: string, query: string[], all: (asked: Asked) => readonly unknown[]): Route => ({
    call: `GET /{v}/{id}/${edge}`,
    scopes: [MANAGEMENT],
    query: ['fields', 'limit', 'after', 'before', ...query],
    answer: versioned((asked) => (asked.at.id === WABA ? list(asked, all(asked)) : unknownObject('get', asked.at.id as string))),
  })
  const messages: Route = {
    call: 'POST /{v}/{id}/messages',
    scopes: [MESSAGING],
    body: ['messaging_product', 'recipient_type', 'to', 'type', 'context', 'biz_opaque_callback_data', ...Object.keys(PARTS)],
    answer: versioned((asked) => {
      const { body } = asked
      if (!seen(asked)) return unknownObject('post', asked.at.id as string)
      const wrong = wrongWith(body, uploads)
      if (wrong !== null) return wrong
      const to = body.to as string
      const refused = unreached[to]
      // [errors] The 24 hours are no matter for templates.
      if (refused !== undefined && !(to === people.closed && body.type === 'template')) return refused
      return ok({
        messaging_product: 'whatsapp',
        contacts: [{ input: to, wa_id: to.replace(/\D/g, '') }],
        messages: [{ id: `wamid.HBgLMTU1NTAxMjM0NTYV${++count}=`, ...(body.type === 'template' ? { message_status: 'accepted' } : {}) }],
      })
    }),
  }
  const media: Route = {
    call: 'POST /{v}/{id}/media',
    scopes: [MESSAGING],
    answer: versioned((asked) => {
      if (!seen(asked)) return unknownObject('post', asked.at.id as string)
      const it = pending.get(asked.req) ?? invalid('The parameter file is required.')
      if ('status' in it) return it
      const id = String(1037543291543636 + ++count)
      uploads.set(id, it)
      return ok({ id })
    }),
  }
  // [openapi] Webhook Subscriptions
  const subscribe: Route = {
    call: 'POST /{v}/{id}/subscribed_apps',
    scopes: [MANAGEMENT],
    body: ['override_callback_uri', 'verify_token'],
    answer: versioned((asked) => (asked.at.id === WABA ? ok({ success: true }) : unknownObject('post', asked.at.id as string))),
  }
  const permissions: Route = {
    call: 'GET /{v}/me/permissions',
    scopes: [],
    answer: versioned(({ credential }) => {
      const granted = (credential.kind === 'business' ? [] : (credential.scopes ?? [])).map((permission) => ({
        permission,
        status: 'granted',
      }))
      return ok({ data: [...granted, { permission: 'email', status: 'declined' }] })
    }),
  }
  const stub = await startStub({
    routes: [
      permissions,
      node,
      ofAccount('phone_numbers', [], () => numbers),
      ofAccount('message_templates', ['status', 'name', 'language', 'category'], ({ req }) =>
        templates.filter((it) => it.status === (req.query.get('status') ?? it.status) && it.name.includes(req.query.get('name') ?? '')),
      ),
      messages,
      media,
      subscribe,
    ],
    credentials: known,
    credentialOf: (req) => /^Bearer (\S+)$/.exec(req.headers.authorization ?? '')?.[1] ?? null,
    demand: (req) => {
      const told = signUps.handle(req)
      if (told !== null) return told
      if (req.headers.authorization === undefined) return dead.missing
      if (req.query.has('access_token')) return invalid('Here a token comes in its header, or is a finding.')
      if (/\/media$/.test(req.path) && req.method === 'POST') {
        pending.set(req, takeApart(req))
        req.body = ''
      } else if (req.body !== '' && !/^application\/json\b/.test(req.headers['content-type'] ?? '')) return invalid('Send JSON.')
      return null
    },
    unauthorized: (found) => (found === null ? dead.unknown : found.state === 'expired' ? dead.expired : dead.revoked),
    unknownRoute: (req) => error(400, 2500, `Unknown path components: ${req.path}`),
    unknownField: (name) => invalid(`Unexpected key "${name}".`),
    scopeMissing: (_, scopes) =>
      scopes.includes(MESSAGING)
        ? error(
            403,
            200,
            '(#200) You do not have the necessary permissions required to send messages on behalf of this WhatsApp Business Account',
          )
        : error(403, 10, '(#10) Application does not have permission for this action'),
    always: () => ({ 'x-fb-trace-id': 'AXsgnV2Cm3Z' }),
  })
  return {
    ...stub,
    signUps,
    uploads,
    reset: () => {
      stub.reset()
      uploads.clear()
    },
  }
}
