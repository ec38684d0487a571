/**
 * Google's token endpoint for service accounts, and the Firebase Rules API, as documented. Deny by default.
 * Token: https://developers.google.com/identity/protocols/oauth2/service-account#httprest (the assertion's header, claims, lifetime, and the
 * errors invalid_grant "Invalid JWT Signature.", "Invalid grant: account not found", invalid_scope).
 * Rules: https://firebase.google.com/docs/reference/rules/rest (projects.releases.get, projects.rulesets.get, projects.test; their scopes from
 * the discovery document of firebaserules v1; the name of a named database's release as Terraform's google_firebaserules_release has it).
 * Errors: https://cloud.google.com/apis/design/errors. Unknown, so not asserted: the limits of the rules API, and whether it names the reason
 * of every issue.
 */
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

export const PROJECT = 'demo-shop'
/** `writer` and `reader` have roles on the project; `stranger` has none; `gone` was deleted. */
export type AccountName = 'writer' | 'reader' | 'stranger' | 'gone'
const ACCOUNTS: readonly AccountName[] = ['writer', 'reader', 'stranger', 'gone']
const SCOPES = new Set(
  ['datastore', 'firebase', 'firebase.readonly', 'cloud-platform'].map((it) => `https://www.googleapis.com/auth/${it}`),
)
const LONGEST_S = 3600
/** Google's own tolerance is not told; a clock that is a minute ahead is taken. */
const SKEW_S = 60

export interface Issued {
  account: AccountName
  scopes: string[]
  live: boolean
}
export interface HttpCall {
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: string
}
interface Answer {
  status: number
  headers?: Record<string, string>
  body: unknown
}

const pairs = new Map(
  ACCOUNTS.map((name) => [
    name,
    generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: PEM('spki'), privateKeyEncoding: PEM('pkcs8') }),
  ]),
)
function PEM<T extends 'spki' | 'pkcs8'>(type: T) {
  return { type, format: 'pem' as const }
}
const emailOf = (name: AccountName) => `${name}@${PROJECT}.iam.gserviceaccount.com`

/** A key file as it is downloaded. */
export const keyFile = (name: AccountName, more: Record<string, unknown> = {}): string =>
  JSON.stringify({
    type: 'service_account',
    project_id: PROJECT,
    private_key_id: `key-of-${name}`,
    private_key: pairs.get(name)?.privateKey,
    client_email: emailOf(name),
    client_id: '100000000000000000001',
    auth_uri: 'https://accounts.google.com/o/oauth2/auth',
    token_uri: 'https://oauth2.googleapis.com/token',
    auth_provider_x509_cert_url: 'https://www.googleapis.com/oauth2/v1/certs',
    universe_domain: 'googleapis.com',
    ...more,
  })

const RULES = `rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /{document=**} { allow read, write: if false; }
  }
}
`

export async function startGoogle(origin: () => string, clock: () => number) {
  const calls: HttpCall[] = []
  const issued = new Map<string, Issued>()
  const troubles: Answer[] = []
  let ruleset = `projects/${PROJECT}/rulesets/11111111-2222-3333-4444-555555555555`
  let minted = 0

  function token({ method, headers, body }: HttpCall): Answer {
    const refuse = (error: string, error_description: string, status = 400): Answer => ({ status, body: { error, error_description } })
    if (method !== 'POST') return { status: 404, body: {} }
    if (headers['content-type'] !== 'application/x-www-form-urlencoded') return refuse('invalid_request', 'Wrong content type.')
    const form = new URLSearchParams(body)
    if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer')
      return refuse('unsupported_grant_type', 'Invalid grant_type: ')
    const [head = '', claims = '', signature = ''] = (form.get('assertion') ?? '').split('.')
    const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
    const { alg, typ, kid } = read(head)
    const { iss, sub, scope, aud, iat, exp } = read(claims) as {
      iss: string
      sub?: string
      scope: string
      aud: string
      iat: number
      exp: number
    }
    const name = ACCOUNTS.find((it) => emailOf(it) === iss)
    if (name === undefined || name === 'gone') return refuse('invalid_grant', 'Invalid grant: account not found')
    const key = createPublicKey(pairs.get(name)?.publicKey as string)
    if (
      alg !== 'RS256' ||
      typ !== 'JWT' ||
      kid !== `key-of-${name}` ||
      !verify('sha256', Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, 'base64url'))
    )
      return refuse('invalid_grant', 'Invalid JWT Signature.')
    const now = clock() / 1000
    if (aud !== `${origin()}/token` || iat > now + SKEW_S || exp < now || exp - iat > LONGEST_S)
      return refuse('invalid_grant', 'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.')
    if (sub !== undefined) return refuse('unauthorized_client', 'Client is unauthorized to retrieve access tokens using this method.', 401)
    const scopes = scope.split(' ')
    if (!scopes.every((it) => SCOPES.has(it))) return refuse('invalid_scope', 'Invalid OAuth scope or ID token audience provided.')
    const text = `ya29.c.made-up-token-${++minted}-${name}`
    issued.set(text, { account: name, scopes, live: true })
    return { status: 200, body: { access_token: text, expires_in: 3599, token_type: 'Bearer' } }
  }

  const error = (status: number, name: string, message: string): Answer => ({
    status,
    body: { error: { code: status, message, status: name } },
  })

  function rules(call: HttpCall): Answer {
    const found = issued.get(/^Bearer (\S+)$/.exec(call.headers.authorization ?? '')?.[1] ?? '')
    if (!found?.live)
      return error(
        401,
        'UNAUTHENTICATED',
        'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
      )
    if (!found.scopes.some((it) => /\/(firebase|firebase\.readonly|cloud-platform)$/.test(it)))
      return error(403, 'PERMISSION_DENIED', 'Request had insufficient authentication scopes.')
    if (found.account === 'stranger' || !call.path.startsWith(`/v1/projects/${PROJECT}`))
      return error(403, 'PERMISSION_DENIED', 'The caller does not have permission')
    const { method, path } = call
    const release = /^\/v1\/projects\/[\w-]+\/releases\/(cloud\.firestore(?:\/second)?)$/.exec(path)?.[1]
    if (method === 'GET' && release)
      return {
        status: 200,
        body: {
          name: `projects/${PROJECT}/releases/${release}`,
          rulesetName: ruleset,
          createTime: '2026-01-02T03:04:05.678Z',
          updateTime: '2026-01-02T03:04:05.678Z',
        },
      }
    if (method === 'GET' && path === `/v1/${ruleset}`)
      return {
        status: 200,
        body: {
          name: ruleset,
          source: { files: [{ name: 'firestore.rules', content: RULES, fingerprint: 'c2hhMjU2' }] },
          createTime: '2026-01-02T03:04:05.678Z',
        },
      }
    if (method === 'POST' && path === `/v1/projects/${PROJECT}:test`) return test(JSON.parse(call.body))
    return error(404, 'NOT_FOUND', 'Requested entity was not found.')
  }

  /** Only balance of braces: a compiler of rules is not what is tried here. */
  function test(body: { source?: { files?: { name?: unknown; content?: unknown }[] } }): Answer {
    const [file] = body.source?.files ?? []
    if (
      Object.keys(body).some((it) => it !== 'source' && it !== 'testSuite') ||
      typeof file?.name !== 'string' ||
      typeof file.content !== 'string'
    )
      return error(400, 'INVALID_ARGUMENT', 'Request contains an invalid argument.')
    const lines = file.content.split('\n')
    const open = file.content.split('{').length - file.content.split('}').length
    const issues = [
      ...(file.content.startsWith("rules_version = '2';")
        ? []
        : [
            { sourcePosition: { fileName: file.name, line: 1, column: 1 }, description: "Rules version '1' is used.", severity: 'WARNING' },
          ]),
      ...(open === 0
        ? []
        : [
            {
              sourcePosition: { fileName: file.name, line: lines.length, column: 1 },
              description: "Missing '}' at end of file.",
              severity: 'ERROR',
            },
          ]),
    ]
    return { status: 200, body: issues.length > 0 ? { issues } : {} }
  }

  const server = createServer((msg, res) => {
    void (async () => {
      const chunks: Buffer[] = []
      for await (const chunk of msg) chunks.push(chunk as Buffer)
      const call = { method: msg.method ?? '', path: msg.url ?? '', headers: msg.headers, body: Buffer.concat(chunks).toString() }
      calls.push(call)
      const { status, headers, body } = troubles.shift() ?? (call.path === '/token' ? token(call) : rules(call))
      res.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/html' : 'application/json; charset=UTF-8', ...headers })
      res.end(typeof body === 'string' ? body : JSON.stringify(body))
    })().catch((cause: unknown) => res.writeHead(599).end(String(cause)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    calls,
    issued,
    /** What the next requests meet instead. */
    next: (...answers: Answer[]) => void troubles.push(...answers),
    releaseNames: (name: string) => {
      ruleset = name
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
export type Google = Awaited<ReturnType<typeof startGoogle>>
