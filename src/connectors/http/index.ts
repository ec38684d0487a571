import { Buffer } from 'node:buffer'
import {
  basic,
  bearer,
  type Checked,
  connector,
  exchange,
  Fault,
  type Field,
  header,
  query,
  type Service,
  type ToolContext,
  tool,
  type Verdict,
  z,
} from '../contract.ts'

/** Headers that carry credentials, name the host or frame the message: never the caller's to set. */
const NOT_YOURS =
  /^(authorization|cookie2?|host|connection|content-length|transfer-encoding|te|trailer|upgrade|expect|keep-alive|proxy-.*|sec-.*|forwarded|x-forwarded-.*)$/i
/** Headers of an answer that may carry a session or a credential, or speak of the hop only. */
const NOT_SHOWN =
  /^(set-cookie2?|cookie|.*authorization|.*authenticate.*|.*token.*|.*secret.*|x-api-key|connection|keep-alive|transfer-encoding|content-encoding|proxy-.*)$/i
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/

const key: Field = {
  name: 'api_key',
  label: 'Key',
  secret: true,
  required: true,
  hint: 'The key or token, as the service shows it, without a prefix such as "Bearer".',
  format: { pattern: /^[\x21-\x7e]+$/, says: 'has no spaces and only plain ASCII' },
}
const named = (name: string, label: string, hint: string, pattern: RegExp): Field => ({
  name,
  label,
  secret: false,
  required: true,
  hint,
  format: { pattern, says: 'is a plain name, and not one that HTTP itself needs' },
})

const services: Record<string, Service> = {
  bearer: { title: 'Bearer token', fields: [key], put: bearer() },
  header: {
    title: 'Key in a header',
    fields: [
      named(
        'header_name',
        'Header name',
        'Name of the header that the service expects, such as X-Api-Key.',
        // A credential may be an Authorization without a prefix, but not what routes or frames the message.
        /^(?!(?:cookie2?|host|connection|content-.*|transfer-encoding|te|trailer|upgrade|expect|keep-alive|proxy-.*|sec-.*)$)[!#$%&'*+.^_`|~0-9a-z-]{1,64}$/i,
      ),
      key,
    ],
    put: header({ field: 'header_name' }),
  },
  query: {
    title: 'Key in the query',
    fields: [
      named('query_name', 'Parameter name', 'Name of the query parameter that the service expects, such as api_key.', /^[\w.~-]{1,64}$/),
      key,
    ],
    put: query({ field: 'query_name' }),
  },
  basic: {
    title: 'User and password',
    fields: [
      {
        name: 'username',
        label: 'User',
        secret: false,
        required: true,
        hint: 'The user name, or the part before the colon that the service names.',
      },
      {
        name: 'password',
        label: 'Password',
        secret: true,
        required: true,
        hint: 'The password; some services want a key here, or nothing in the user.',
      },
    ],
    put: basic(),
  },
}

const path = z.string().max(4096).refine(staysBelow, 'must start with one "/" and have no "..", "\\", "#" or blank')

const httpRequest = tool({
  about:
    'Sends one request to the API that is connected and answers {status, headers, body}. Other statuses than 2xx are answers too, for the workflow to ' +
    'look at, 429 and 5xx after GET and HEAD were tried three times. Only a 401 fails: the credential is refused. The credential is added by itself.',
  effect: 'write',
  // RFC 9110 §9.2.1: these two change nothing. PUT and DELETE should bear repetition, but an unknown API gives no promise.
  repeatable: ({ method }) => method === 'GET' || method === 'HEAD',
  reads: ({ method }) => method === 'GET' || method === 'HEAD',
  input: z
    .strictObject({
      method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']),
      path: path.describe('Below base_url, starting with "/"'),
      query: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
      headers: z
        .record(
          z
            .string()
            .regex(NAME)
            .refine((name) => !NOT_YOURS.test(name), 'this header is not yours to set'),
          z.string(),
        )
        .optional()
        .describe('Authorization, Cookie, Host and Proxy-* are refused'),
      body: z.unknown().optional().describe('A string is sent as it is, anything else as JSON'),
    })
    .refine(({ method, body }) => body === undefined || (method !== 'GET' && method !== 'HEAD'), 'GET and HEAD have no body.'),
  output: z.object({
    status: z.number(),
    headers: z.record(z.string(), z.string()).describe('Names in lower case; cookies and credentials are left out'),
    body: z.unknown().describe('JSON where it is JSON, else text; other bytes as {"base64": "…"}; null when there is none'),
  }),
  example: { method: 'GET' as const, path: '/v1/items', query: { limit: 2 } },
  run: async (ctx, call) => {
    const { status, headers, body, verdict } = await exchange(ctx, { ...call, headers: withKey(call, ctx.key), accept: 'any' })
    if (status === 401 && verdict !== null) throw rejected(verdict)
    const shown = [...headers].filter(([name]) => !NOT_SHOWN.test(name))
    return {
      status,
      headers: Object.fromEntries(shown),
      body: body instanceof Uint8Array ? { base64: Buffer.from(body).toString('base64') } : body,
    }
  },
})

export default connector({
  slug: 'http',
  title: 'Any HTTP API',
  about:
    'Any API: with a key of its own as a bearer token, in a header, in the query, or as user and password; or with the access token of a connected ' +
    'OAuth account. The credential goes to base_url only, and that of an account only where its provider or its OAuth app allows it.',
  docs: 'https://www.rfc-editor.org/rfc/rfc9110.html#name-http-authentication',
  auth: { kind: 'api_key', services, oauth: true, check },
  config: z.strictObject({
    base_url: z.url({ protocol: /^https?$/ }).describe('The only place the credential may go to, such as https://api.example.com/v2'),
    check_path: path.optional().describe('A cheap GET that fails without a valid credential'),
  }),
  base: null,
  baseKey: 'base_url',
  hosts: [],
  tools: { http_request: httpRequest },
})

/**
 * GET on `check_path`. Without one only a 401 says anything, so any other answer counts, with a warning. Of an OAuth account it proves the
 * same: that this API takes the token. Whose it is and what it may do was said when it was connected, so both are left as they are known.
 */
async function check(ctx: ToolContext): Promise<Checked> {
  const at = ctx.config.check_path
  const { status, verdict } = await exchange(ctx, { path: typeof at === 'string' ? at : '/', accept: 'any' })
  if (verdict !== null && status === 401) throw rejected(verdict)
  if (verdict !== null && at !== undefined) {
    throw new Fault(verdict.code, verdict.message, {
      ...verdict,
      details: { status },
      hint: 'Look at base_url and check_path of the profile.',
    })
  }
  const warnings =
    at === undefined ? ['No check_path is set: the service was reached, but nothing proves that it accepts the credential.'] : []
  return { account: null, granted_scopes: null, warnings }
}

/**
 * draft-ietf-httpapi-idempotency-key-header: an API that knows it carries a call out once, however often it comes; others ignore it.
 * A key of the caller's own goes before ours.
 */
function withKey(call: { method: string; headers?: Record<string, string> | undefined }, key: string): Record<string, string> {
  const own = call.headers ?? {}
  const safe = call.method === 'GET' || call.method === 'HEAD'
  return safe || Object.keys(own).some((name) => name.toLowerCase() === 'idempotency-key') ? own : { ...own, 'Idempotency-Key': key }
}

const rejected = ({ message }: Verdict) =>
  new Fault('CREDENTIAL_REJECTED', message, {
    details: { status: 401 },
    hint: 'Enter a new credential for this connection, or connect the account again.',
  })

/** Neither this client nor a server that decodes once more may be led above `base_url`. */
function staysBelow(it: string): boolean {
  if (!/^\/(?!\/)[^\\#\s\u0000-\u001f]*$/.test(it)) return false
  return (it.split('?')[0] ?? '').split('/').every((part) => {
    try {
      return decodeURIComponent(part)
        .split(/[/\\]/)
        .every((piece) => piece !== '.' && piece !== '..')
    } catch {
      return false
    }
  })
}
