/**
 * LinkedIn's contract as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [errors] learn.microsoft.com/linkedin "Error handling", "Posts API" and "Images API": statuses, codes and sentences
 * - [versions] "API versioning" and "Migrations": which versions live in November 2026, 426 for the others
 * - [posts] "Posts API": fields, the author finder, x-restli-id on 201 without a body, deletions that are idempotent
 * - [little] "little Text Format": what is reserved; [seen] an unescaped reserved character cuts the text off, and the answer is 201
 * - [images] "Images API": initializeUpload, then one PUT to another host
 * - [acls] "Organization Access Control by Role": roleAssignee finder and its scopes
 * - [seen] in answers that client programs quote: 65600, 65601, ACCESS_DENIED, NONEXISTENT_VERSION, DUPLICATE_POST, "permissions must be used",
 *   QUERY_PARAM_NOT_ALLOWED, "No virtual resource found", "Accessing the UGC resource is forbidden", the daily 429
 * Not known, so chosen: the answer to a missing X-Restli-Protocol-Version, the code of an expired token, that a body field nobody knows gets the
 * sentence of a query parameter, the order of LinkedIn's checks, and what the upload host says to a token that is dead.
 */
import { type Asked, type Credential, type Recorded, type Reply, type Route, type Stub, startStub, type Vendor } from './stub.ts'

const MEMBER = ['openid', 'profile', 'email', 'w_member_social']
const PAGES = ['rw_organization_admin', 'w_organization_social', 'r_organization_social']
const token = (name: string) => `AQX${name}${'d2k3-Lm_9'.repeat(12)}`

/** Made up. `community` is of an app with the Community Management API, which cannot have OpenID Connect beside it. */
export const tokens = {
  all: token('All'),
  member: token('Member'),
  community: token('Community'),
  identity: token('Identity'),
  nameless: token('Nameless'),
  expired: token('Expired'),
  revoked: token('Revoked'),
}
const live = (...scopes: string[]): Credential => ({ state: 'valid', kind: '3-legged', scopes })
const credentials: Record<string, Credential> = {
  [tokens.all]: live(...MEMBER, ...PAGES),
  [tokens.member]: live(...MEMBER),
  [tokens.community]: live('r_basicprofile', 'w_member_social', ...PAGES),
  [tokens.identity]: live('openid', 'profile', 'email'),
  [tokens.nameless]: live('w_organization_social'),
  [tokens.expired]: { ...live(...MEMBER), state: 'expired' },
  [tokens.revoked]: { ...live(...MEMBER), state: 'revoked' },
}

export const ME = 'urn:li:person:yrZCpj2Z12'
export const PAGE = 'urn:li:organization:5583111'
/** Another page, on which the member has no role. */
export const STRANGE_PAGE = 'urn:li:organization:1337'
export const PAGE_POST = 'urn:li:share:7000000000000000001'
export const MY_POST = 'urn:li:share:7100000000000000001'

/** [versions] The last one to end before today was 202511, on 16 November. */
const ACTIVE = ['202601', '202602', '202603', '202604', '202605', '202606', '202607', '202608', '202609']

const error = (status: number, message: string, more: object = {}): Reply => ({ status, body: { status, message, ...more } })
const denied = (message: string) => error(403, message, { serviceErrorCode: 100, code: 'ACCESS_DENIED' })
const badRequest = (status: number, message: string, input: object): Reply => ({
  status,
  body: { errorDetailType: 'com.linkedin.common.error.BadRequest', message, errorDetails: { inputErrors: [input] }, status },
})

/** Ready-made refusals, for `stub.next({ kind: 'reply', reply })`. */
export const replies = {
  dayQuota: (): Reply =>
    error(429, 'Resource level throttle APPLICATION DAY limit for calls to this resource is reached.', {
      serviceErrorCode: 101,
      code: 'TOO_MANY_REQUESTS',
    }),
  slowDown: (): Reply => error(429, 'Resource level throttle limit for calls to this resource is reached.', { serviceErrorCode: 101 }),
  unpermitted: (field: string): Reply =>
    denied(`Unpermitted fields present in REQUEST_BODY: Data Processing Exception while processing fields [/${field}]`),
  version: (version: string): Reply => error(426, `Requested version ${version}01 is not active`, { code: 'NONEXISTENT_VERSION' }),
  duplicate: (urn: string): Reply =>
    badRequest(422, `com.linkedin.content.common.exception.BadRequestResponseException: Content is a duplicate of ${urn}`, {
      description: 'Duplicate post is detected',
      input: {},
      code: 'DUPLICATE_POST',
    }),
  invalidParam: (field: string): Reply =>
    badRequest(400, 'Invalid param. Please see errorDetails for more information.', {
      description: 'Invalid value for param; wrong type or other syntax error',
      input: { inputPath: { fieldPath: field } },
      code: 'PARAM_INVALID',
    }),
}

interface Posted {
  id: string
  author: string
  commentary: string
  /** [little] What people see of the commentary. */
  shown: string
  content?: unknown
  visibility: string
  lifecycleState: string
}

/** [little] Reads the text as LinkedIn does, up to the first reserved character that is neither escaped nor part of an element. */
export function shownOf(commentary: string): string {
  let shown = ''
  for (let i = 0; i < commentary.length; ) {
    const rest = commentary.slice(i)
    const element = /^@\[((?:\\.|[^\\\]])+)\]\(urn:li:(?:person|organization):[\w-]+\)/.exec(rest) ?? /^(#[\p{L}\p{M}\p{N}]+)/u.exec(rest)
    if (element !== null) {
      shown += (element[1] ?? '').replace(/\\(.)/g, '$1')
      i += element[0].length
    } else if (commentary[i] === '\\') {
      shown += commentary[i + 1] ?? ''
      i += 2
    } else if ('|{}@[]()<>#*_~'.includes(commentary[i] as string)) {
      return shown
    } else {
      shown += commentary[i]
      i += 1
    }
  }
  return shown
}

export interface LinkedIn extends Stub {
  /** What was posted since the last reset, newest last. */
  posted: () => Posted[]
  /** Bytes that were uploaded, by image. */
  uploaded: () => ReadonlyMap<string, string>
  /** What the next initializeUpload names instead of the stub's own address. */
  uploadTo: (url: string) => void
}

const words = (text: string) => text.split(' ').filter((it) => it !== '')
/** [acls] [posts] Three pages of them, ten at a time. */
const ROLES = Array.from({ length: 25 }, (_, n) => ({
  roleAssignee: ME,
  role: n % 2 === 0 ? 'ADMINISTRATOR' : 'CONTENT_ADMINISTRATOR',
  state: 'APPROVED',
  // [acls] The samples use both names.
  ...(n % 3 === 0 ? { organization: `urn:li:organization:${5583111 + n}` } : { organizationTarget: `urn:li:organization:${5583111 + n}` }),
}))

export async function startLinkedin(): Promise<LinkedIn> {
  let store: Posted[] = []
  let images = new Map<string, string | null>()
  let target: string | null = null
  let number = 0
  const fresh = () => {
    store = [
      ...Array.from({ length: 25 }, (_, n) =>
        kept(`urn:li:share:70000000000000000${String(n + 1).padStart(2, '0')}`, PAGE, `News ${n + 1}`),
      ),
      kept(MY_POST, ME, 'Hello'),
    ]
    images = new Map()
    target = null
    number = 0
  }

  const names = new Map<readonly string[], string>()
  /** `gate`: what LinkedIn calls the right in its 403. */
  const route = (call: string, gate: string, scopes: string, more: { query?: string; body?: string; answer: Route['answer'] }): Route => {
    const list = words(scopes)
    names.set(list, gate)
    return { call, scopes: list, query: words(more.query ?? ''), body: words(more.body ?? ''), answer: more.answer }
  }

  /** [seen] As whom somebody may act: the scope is looked at first, then the role on the page. */
  function mayAct({ credential }: Asked, urn: string, as: 'author' | 'owner'): Reply | null {
    const has = (scope: string) => credential.scopes?.includes(scope)
    const page = urn.startsWith('urn:li:organization:')
    if (page && !has('w_organization_social'))
      return error(400, `Organization Or Events permissions must be used when using organization as ${as}`)
    if (!page && !has('w_member_social')) return error(400, `Member permissions must be used when using member as ${as}`)
    return urn === PAGE || urn === ME
      ? null
      : denied(`Field Value validation failed in REQUEST_BODY: Data Processing Exception while processing fields [/${as}]`)
  }

  function create(asked: Asked): Reply {
    const { author, commentary, visibility, lifecycleState, distribution, content } = asked.body
    for (const field of ['author', 'commentary', 'visibility', 'lifecycleState', 'distribution'])
      if (asked.body[field] === undefined) return error(400, `${field} is required but missing`, { code: 'MISSING_FIELD' })
    if (!['PUBLIC', 'CONNECTIONS', 'LOGGED_IN'].includes(String(visibility)) || lifecycleState !== 'PUBLISHED')
      return error(400, `visibility can't be set to ${visibility}`, { code: 'INVALID_VALUE_FOR_FIELD' })
    if ((distribution as { feedDistribution?: string }).feedDistribution !== 'MAIN_FEED') return replies.invalidParam('/distribution')
    if (String(commentary).trim() === '') return error(400, "commentary can't be blank", { code: 'INVALID_VALUE_BLANK_FIELD' })
    const refused = mayAct(asked, String(author), 'author') ?? wrongContent(content)
    if (refused !== null) return refused
    const same = store.find((it) => it.author === author && it.commentary === commentary)
    if (same !== undefined) return replies.duplicate(same.id)
    const post = kept(`urn:li:share:720000000000000000${++number}`, String(author), String(commentary), content, String(visibility))
    store.push(post)
    return { status: 201, headers: { 'x-restli-id': post.id } }
  }

  function wrongContent(content: unknown): Reply | null {
    if (content === undefined) return null
    const { article, media, ...others } = (content ?? {}) as { article?: Record<string, unknown>; media?: Record<string, unknown> }
    if (Object.keys(others).length > 0 || (article === undefined) === (media === undefined)) return replies.unpermitted('content')
    if (article !== undefined && (typeof article.source !== 'string' || typeof article.title !== 'string'))
      return error(400, 'title is required but missing', { code: 'MISSING_FIELD' })
    const image = article === undefined ? media?.id : article.thumbnail
    if (image === undefined && article !== undefined) return null
    const bytes = images.get(String(image))
    if (bytes === undefined) return error(400, 'This Image ID is invalid', { code: 'INVALID_IMAGE_ID' })
    return bytes === null ? error(400, 'Media asset is waiting upload', { code: 'MEDIA_ASSET_WAITING_UPLOAD' }) : null
  }

  function find(asked: Asked): Reply {
    const { query } = asked.req
    const author = String(query.get('author'))
    if (query.get('q') !== 'author') return replies.invalidParam('q')
    if (author.startsWith('urn:li:person:') && !asked.credential.scopes?.includes('r_member_social'))
      return error(400, 'Member permissions must be used when using member as author')
    const found = store.filter((it) => it.author === author)
    return author === PAGE
      ? collection(asked, found.map(public_))
      : denied('Accessing the UGC resource is forbidden. Please check your permissions for this resource')
  }

  function get({ at, credential }: Asked): Reply {
    const post = store.find((it) => it.id === at.urn)
    if (post === undefined) return error(404, 'Could not find entity', { code: 'NOT_FOUND' })
    const may = post.author === PAGE || credential.scopes?.includes('r_member_social')
    return may
      ? { status: 200, body: public_(post) }
      : denied('Accessing the UGC resource is forbidden. Please check your permissions for this resource')
  }

  function remove(asked: Asked): Reply {
    const post = store.find((it) => it.id === asked.at.urn)
    const refused = post === undefined ? null : mayAct(asked, post.author, 'author')
    if (refused !== null) return refused
    store = store.filter((it) => it !== post)
    return { status: 204 }
  }

  function initialize(asked: Asked): Reply {
    const { owner } = (asked.body.initializeUploadRequest ?? {}) as { owner?: string }
    if (asked.req.query.get('action') !== 'initializeUpload' || owner === undefined) return replies.invalidParam('action')
    const refused = mayAct(asked, owner, 'owner')
    if (refused !== null) return refused
    const id = `C4E10AQ${++number}`
    images.set(`urn:li:image:${id}`, null)
    const uploadUrl = `${target ?? asked.url}/dms-uploads/${id}/uploaded-image/0?ca=vector_feedshare&cn=uploads&ut=08zHQ`
    return { status: 200, body: { value: { uploadUrlExpiresAt: 1_795_000_000_000, uploadUrl, image: `urn:li:image:${id}` } } }
  }

  /** [images] The other host, which takes bytes and no JSON. */
  function upload(req: Recorded): Reply | null {
    const id = /^\/dms-uploads\/([^/]+)\/uploaded-image\/0$/.exec(req.path)?.[1]
    if (id === undefined) return null
    const urn = `urn:li:image:${id}`
    const known = credentials[credentialOf(req) ?? '']?.state === 'valid'
    if (req.method !== 'PUT' || !known || !images.has(urn))
      return { status: 400, headers: { 'content-type': 'text/html' }, body: '<html></html>' }
    images.set(urn, req.body)
    return { status: 201 }
  }

  const POSTS = 'partnerApiPostsExternal'
  const linkedin: Vendor = {
    credentials,
    credentialOf,
    routes: [
      route('GET /v2/userinfo', 'userinfo.GET.NO_VERSION', 'openid', {
        answer: () => ({
          status: 200,
          body: {
            sub: ME.slice('urn:li:person:'.length),
            name: 'Ada Lovelace',
            given_name: 'Ada',
            family_name: 'Lovelace',
            picture: 'https://media.licdn-ei.com/dms/image/C5F03AQ/profile-displayphoto-shrink_100_100/0/',
            locale: { country: 'US', language: 'en' },
            email: 'ada@example.com',
            email_verified: true,
          },
        }),
      }),
      route('GET /v2/me', 'me.GET.NO_VERSION', 'r_basicprofile', {
        answer: () => ({
          status: 200,
          body: { id: ME.slice('urn:li:person:'.length), localizedFirstName: 'Ada', localizedLastName: 'Lovelace', vanityName: 'ada' },
        }),
      }),
      route('GET /rest/organizationAcls', 'partnerApiOrganizationAcls.FINDER-roleAssignee', 'r_organization_admin rw_organization_admin', {
        query: 'q role state start count',
        answer: (asked) => {
          const { query } = asked.req
          if (query.get('q') !== 'roleAssignee') return replies.invalidParam('q')
          const fits = (it: { role: string; state: string }) =>
            it.role === (query.get('role') ?? it.role) && it.state === (query.get('state') ?? it.state)
          return collection(asked, ROLES.filter(fits))
        },
      }),
      route('GET /rest/posts', `${POSTS}.FINDER-author`, 'r_organization_social r_member_social', {
        query: 'author q count start sortBy',
        answer: find,
      }),
      route('GET /rest/posts/{urn}', `${POSTS}.GET`, 'r_organization_social r_member_social', { answer: get }),
      route('POST /rest/posts', `${POSTS}.CREATE`, 'w_member_social w_organization_social', {
        body: 'author commentary visibility distribution content lifecycleState isReshareDisabledByAuthor',
        answer: create,
      }),
      route('DELETE /rest/posts/{urn}', `${POSTS}.DELETE`, 'w_member_social w_organization_social', { answer: remove }),
      route('POST /rest/images', 'partnerApiImages.ACTION-initializeUpload', 'w_member_social w_organization_social', {
        query: 'action',
        body: 'initializeUploadRequest',
        answer: initialize,
      }),
      route('GET /rest/organizations', 'partnerApiOrganizations.BATCH_GET', 'rw_organization_admin', {
        query: 'ids',
        answer: ({ req }) => ({ status: 200, body: { results: {}, asked: req.query.get('ids'), raw: req.bytes.split(/\s/)[1] } }),
      }),
    ],
    demand: (req) => upload(req) ?? missingHeader(req),
    unauthorized: (found) =>
      found === null
        ? error(401, 'Invalid access token', { serviceErrorCode: 65600, code: 'INVALID_ACCESS_TOKEN' })
        : found.state === 'revoked'
          ? error(401, 'The token used in the request has been revoked by the user', {
              serviceErrorCode: 65601,
              code: 'REVOKED_ACCESS_TOKEN',
            })
          : error(401, 'The token used in the request has expired', { serviceErrorCode: 65602, code: 'EXPIRED_ACCESS_TOKEN' }),
    unknownRoute: () => error(404, 'No virtual resource found', { code: 'RESOURCE_NOT_FOUND' }),
    unknownField: (name) =>
      badRequest(400, 'Invalid query parameters passed to request', {
        description: 'Invalid query parameters passed to request',
        input: { inputPath: { fieldPath: name } },
        code: 'QUERY_PARAM_NOT_ALLOWED',
      }),
    scopeMissing: (_, scopes) => denied(`Not enough permissions to access: ${names.get(scopes)}`),
    always: () => ({ 'x-restli-protocol-version': '2.0.0', 'x-li-uuid': 'AAYMJu7uDegAHiAVXD7aaQ==', 'set-cookie': 'lidc="b=TB32"' }),
  }

  fresh()
  const stub = await startStub(linkedin)
  return {
    ...stub,
    reset: () => {
      fresh()
      stub.reset()
    },
    posted: () => store.filter((it) => it.id.startsWith('urn:li:share:72')),
    uploaded: () => new Map([...images].filter((it): it is [string, string] => it[1] !== null)),
    uploadTo: (url) => {
      target = url
    },
  }
}

function kept(id: string, author: string, commentary: string, content?: unknown, visibility = 'PUBLIC'): Posted {
  return {
    id,
    author,
    commentary,
    shown: shownOf(commentary),
    visibility,
    lifecycleState: 'PUBLISHED',
    ...(content === undefined ? {} : { content }),
  }
}
const public_ = ({ shown: _, ...post }: Posted) => ({ ...post, publishedAt: 1_767_600_000_000, isReshareDisabledByAuthor: false })

const credentialOf = (req: Recorded) => /^Bearer (\S+)$/.exec(req.headers.authorization ?? '')?.[1] ?? null

/** [versions] The gateway looks at these before it looks at the token. */
function missingHeader(req: Recorded): Reply | null {
  if (!req.path.startsWith('/rest/')) return null
  const version = req.headers['linkedin-version']
  if (version === undefined)
    return error(400, 'A version must be present. Please specify a version by adding the Linkedin-Version header.', {
      code: 'VERSION_MISSING',
    })
  if (!ACTIVE.includes(String(version))) return replies.version(String(version))
  if (req.headers['x-restli-protocol-version'] !== '2.0.0') return error(400, 'Unsupported Rest.li protocol version')
  const finder = req.method === 'GET' && req.query.has('q')
  return finder && req.headers['x-restli-method'] !== 'FINDER' ? error(400, 'The finder was not named') : null
}

/** A Rest.li collection: the link to the next page is there as long as there is one. */
function collection({ req }: Asked, all: readonly unknown[]): Reply {
  const start = Number(req.query.get('start') ?? 0)
  const count = Number(req.query.get('count') ?? 10)
  const next = new URLSearchParams(req.query)
  next.set('start', String(start + count))
  next.set('count', String(count))
  const links = start + count < all.length ? [{ type: 'application/json', rel: 'next', href: `${req.path}?${next}` }] : []
  return { status: 200, body: { paging: { start, count, links }, elements: all.slice(start, start + count) } }
}
