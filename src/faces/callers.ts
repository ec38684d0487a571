/** Who a request comes from: a token in its header, a session in its cookie, or nobody yet. */
import type { Context, Env } from 'hono'
import { deleteCookie, setCookie } from 'hono/cookie'
import { parse } from 'hono/utils/cookie'
import { ABSOLUTE_S, type Access, ANYONE, type Caller } from '../access/index.ts'
import { FAULTS, Fault, fail } from '../base/errors.ts'
import { type AnyOperation, type Browser, WAY_MS } from '../operations/index.ts'

/** A browser's own words about itself; more than this is no browser. */
const MAX_USER_AGENT = 300
/**
 * How often whoever asked is looked at again while a long answer is made, and how old a look may be that another request had: together
 * less than the second that a revocation may take.
 */
const STANDING_MS = 400
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

export function createCallers<E extends Env>(deps: {
  access: Pick<Access, 'authenticate' | 'authenticateSession'>
  secure: boolean
  publicUrl: () => string
}) {
  // RFC 6265bis §4.1.3: the prefix makes browsers hold us to Secure and to this host alone. They take it over TLS only.
  const cookie = deps.secure ? '__Host-ar_session' : 'ar_session'
  const attributes = { path: '/', httpOnly: true, sameSite: 'Lax', secure: deps.secure } as const
  const way = deps.secure ? '__Host-ar_way' : 'ar_way'
  const tokenOf = (request: Request): string | null => parse(request.headers.get('cookie') ?? '', cookie)[cookie] || null

  /** Fetch Metadata, and the Origin for older browsers. A browser sends at least one of them with whatever may change something. */
  function fromOurPages({ headers }: Request): boolean | null {
    const site = headers.get('sec-fetch-site')
    const origin = headers.get('origin')
    if (site === null && origin === null) return null
    const ours = origin === null || origin === deps.publicUrl() || URL.parse(origin)?.host === headers.get('host')
    return ours && (site === null || site === 'same-origin')
  }
  const isJson = ({ headers }: Request) => headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() === 'application/json'

  /** What a page of somebody else could send with our cookie is not listened to. */
  function refuseForeign(request: Request, needed: boolean): void {
    if (SAFE.has(request.method)) return
    const ours = fromOurPages(request)
    if (ours === false || (ours === null && needed))
      fail('FORBIDDEN', 'this request does not come from a page of this server', {
        hint: 'Programs use a token: Authorization: Bearer ar_pat_…',
      })
    if (!isJson(request)) fail('UNSUPPORTED_MEDIA_TYPE', 'send the body as application/json')
  }

  /** A header that says where, once at most: of two, a proxy and we might each believe another. */
  function once({ headers }: Request, name: string): string | null {
    const value = headers.get(name)
    if (value?.includes(',')) fail('BAD_REQUEST', `${name} was sent twice`)
    return value
  }
  const place = (request: Request) => ({ tenant: once(request, 'X-Tenant-Id'), project: once(request, 'X-Project-Id') })

  /** `believeMs`: how old a look at the token may be. */
  async function byToken(request: Request, ip: string | null, believeMs?: number): Promise<Caller> {
    refuseInAddress(request)
    const sent = request.headers.get('authorization')
    if (sent === null) fail('UNAUTHENTICATED', 'send a personal access token', { hint: 'Authorization: Bearer ar_pat_…' })
    const token = /^Bearer ([^\s,]+)$/i.exec(sent)?.[1]
    if (!token) fail('UNAUTHENTICATED', 'the Authorization header is not of the form Bearer <token>')
    const { tenant, project } = place(request)
    const caller = await deps.access.authenticate(token, ip, believeMs)
    if (tenant !== null && tenant !== caller.workspaceSlug) fail('FORBIDDEN', 'X-Tenant-Id is not the workspace of this token')
    if (project !== null && project !== caller.project) fail('FORBIDDEN', 'X-Project-Id is not the project of this token')
    return caller
  }

  /** By a token where one is sent, else by a session. */
  async function byEither(request: Request, ip: string | null, believeMs?: number): Promise<Caller> {
    const session = tokenOf(request)
    if (request.headers.has('authorization') || session === null) return byToken(request, ip, believeMs)
    refuseInAddress(request)
    refuseForeign(request, true)
    const { tenant, project } = place(request)
    return deps.access.authenticateSession(session, ip, { workspaceSlug: tenant, project }, believeMs)
  }

  return {
    byToken,
    byEither,

    /** Aborts with the refusal when the token or the session behind a request dies. Whoever begins it ends it. */
    watch(request: Request, ip: string | null): { signal: AbortSignal; over(): void } {
      const ending = new AbortController()
      const looking = setInterval(() => {
        byEither(request, ip, STANDING_MS).catch((error: unknown) => {
          // A database that is away says nothing about the caller.
          if (error instanceof Fault && FAULTS[error.code].http === 401) ending.abort(error)
        })
      }, STANDING_MS).unref()
      return { signal: ending.signal, over: () => clearInterval(looking) }
    },

    browser(c: Context<E>, ip: string | null, requestId: string): Browser {
      return {
        token: tokenOf(c.req.raw),
        from: { ip, userAgent: c.req.header('user-agent')?.slice(0, MAX_USER_AGENT) ?? null, requestId },
        // As long as it can last at most; when it ends before, the server says so.
        keep: (token) => setCookie(c as Context, cookie, token, { ...attributes, maxAge: ABSOLUTE_S }),
        forget: () => void deleteCookie(c as Context, cookie, attributes),
        way: parse(c.req.header('cookie') ?? '', way)[way] || null,
        keepWay: (ticket) => setCookie(c as Context, way, ticket, { ...attributes, maxAge: WAY_MS / 1000 }),
        forgetWay: () => void deleteCookie(c as Context, way, attributes),
      }
    },

    async callerOf(op: AnyOperation, request: Request, ip: string | null): Promise<Caller> {
      if (op.by !== 'anyone') return byEither(request, ip)
      refuseInAddress(request)
      refuseForeign(request, false)
      return ANYONE
    },
  }
}

function refuseInAddress({ url }: Request): void {
  if (new URL(url).search.includes('ar_pat_'))
    fail('BAD_REQUEST', 'a token does not belong in an address, where logs and histories keep it', {
      hint: 'Revoke it, and send the next one as Authorization: Bearer ar_pat_…',
    })
}
