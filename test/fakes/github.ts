/**
 * GitHub's contract as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [paths] docs.github.com REST reference 2022-11-28: routes, parameters, statuses
 * - [trouble] docs.github.com "Troubleshooting the REST API": limits, hidden 404, "Resource not accessible by", 422 codes, User-Agent
 * - [limits] docs.github.com "Rate limits for the REST API": x-ratelimit-* and retry-after
 * - [paging] docs.github.com "Using pagination in the REST API": Link header, 30 a page, at most 100
 * - [sso] docs.github.com "Authenticating to the REST API": X-GitHub-SSO: required; url=…
 * - [seen] in answers that client programs quote: `Bad credentials`, the forms of the expiration header, "is not a permitted key"
 * Not known, so chosen: the sentence for a classic token that lacks a scope on a public repository, and the order of GitHub's checks.
 */
import { type Asked, type Credential, paged, type Recorded, type Reply, type Route, type Stub, startStub, type Vendor } from './stub.ts'

const DOCS = 'https://docs.github.com/rest'
export const RESET_IN_S = 1800

/** Made up, in the two forms that GitHub's tokens have. */
export const tokens = {
  classic: `ghp_${'A1b2C3d4E5'.repeat(4).slice(0, 36)}`,
  narrow: `ghp_${'Narrow0000'.repeat(4).slice(0, 36)}`,
  fineGrained: `github_pat_${'Fine00Grained'.repeat(4)}`,
  expired: `ghp_${'Expired000'.repeat(4).slice(0, 36)}`,
  revoked: `ghp_${'Revoked000'.repeat(4).slice(0, 36)}`,
}

const credentials: Record<string, Credential> = {
  [tokens.classic]: { state: 'valid', kind: 'classic', scopes: ['repo', 'read:org'] },
  [tokens.narrow]: { state: 'valid', kind: 'classic', scopes: ['gist'] },
  [tokens.fineGrained]: { state: 'valid', kind: 'fine-grained', scopes: [] },
  [tokens.expired]: { state: 'expired', kind: 'classic', scopes: ['repo'] },
  [tokens.revoked]: { state: 'revoked', kind: 'classic', scopes: ['repo'] },
}

const error = (status: number, message: string, more: object = {}): Reply => ({
  status,
  body: { message, ...more, documentation_url: DOCS, status: String(status) },
})
const notFound = () => error(404, 'Not Found')
const invalid = (field: string, code: string, resource: string) => error(422, 'Validation Failed', { errors: [{ resource, field, code }] })
const epoch = (inSeconds: number) => String(Math.floor(Date.now() / 1000) + inSeconds)

/** [limits] Ready-made refusals, for `stub.next({ kind: 'reply', reply })`. */
export const replies = {
  primary: (): Reply => ({
    ...error(403, 'API rate limit exceeded for user ID 583231.'),
    headers: {
      'x-ratelimit-limit': '5000',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': epoch(RESET_IN_S),
      'x-ratelimit-resource': 'core',
    },
  }),
  secondary: (retryAfter?: number): Reply => ({
    ...error(403, 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.'),
    headers: { 'x-ratelimit-remaining': '4000', ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }) },
  }),
  tooMany: (retryAfter: number): Reply => ({ ...error(429, 'Too many requests'), headers: { 'retry-after': String(retryAfter) } }),
  sso: (): Reply => ({
    ...error(
      403,
      'Resource protected by organization SAML enforcement. You must grant your Personal Access token access to this organization.',
    ),
    headers: { 'x-github-sso': 'required; url=https://github.com/orgs/octo-org/sso?authorization_request=AZ1' },
  }),
  denied: (): Reply => ({ ...error(403, 'Repository was archived so is read-only.'), headers: { 'x-ratelimit-remaining': '4000' } }),
  status: (status: number, message: string): Reply => error(status, message),
}

const SHA = 'b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0'
const HEAD = '6dcb09b5b57875f334f61aebed695e2e4193db5e'
const owner = { login: 'octocat', id: 583231, html_url: 'https://github.com/octocat', type: 'User' }
const repoOf = (name: string, hidden: boolean) => ({
  id: name.length,
  name,
  full_name: `octocat/${name}`,
  owner,
  private: hidden,
  html_url: `https://github.com/octocat/${name}`,
  description: null,
  default_branch: 'main',
})
const REPOS = [repoOf('hello-world', false), repoOf('private-world', true)]
const BRANCHES = ['main', 'topic', 'feature/hello']
const branch = (name: string) => ({ name, commit: { sha: HEAD, url: '' }, protected: name === 'main' })
const pull = (number: number, more: object = {}) => ({
  number,
  state: 'open',
  title: `Change ${number}`,
  body: null,
  html_url: `https://github.com/octocat/hello-world/pull/${number}`,
  user: owner,
  head: { ref: 'topic', sha: HEAD, label: 'octocat:topic' },
  base: { ref: 'main', sha: SHA, label: 'octocat:main' },
  draft: false,
  merged: false,
  mergeable: number !== 8,
  ...more,
})
const issue = (number: number, more: object = {}) => ({
  number,
  state: 'open',
  title: `Issue ${number}`,
  body: 'Hello?',
  html_url: `https://github.com/octocat/hello-world/issues/${number}`,
  user: owner,
  ...more,
})
const comment = (id: number, body: string) => ({
  id,
  body,
  html_url: `https://github.com/octocat/hello-world/issues/3#issuecomment-${id}`,
  user: owner,
})
const commit = (n: number) => ({
  sha: n.toString(16).padStart(40, '0'),
  html_url: `https://github.com/octocat/hello-world/commit/${n}`,
  commit: { message: `Commit ${n}`, author: { name: 'Octo', email: 'o@example.com' } },
  author: n % 2 === 0 ? owner : null,
})
const changed = (n: number) => ({ sha: SHA, filename: `src/file-${n}.ts`, status: 'modified', additions: n, deletions: 0, changes: n })
const FILES: Record<string, Buffer> = {
  'docs/read me.md': Buffer.from('# Grüße\n'),
  'docs/old.md': Buffer.from('old'),
  'logo.png': Buffer.from([0x89, 0x50, 0x4e, 0x47, 0xff, 0xfe]),
}
const entry = (path: string, size: number) => ({ type: 'file', name: path.split('/').at(-1), path, sha: SHA, size })
const range = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i + 1))

const words = (text: string) => text.split(' ').filter((it) => it !== '')
const PAGES = 'per_page page'

/** [trouble] A private repository answers 404 to a token that may not see it. */
function inRepo(work: (asked: Asked) => Reply): Route['answer'] {
  return (asked) => {
    const found = REPOS.find((it) => it.full_name === `${asked.at.owner}/${asked.at.repo}`)
    return found === undefined || (found.private && !asked.credential.scopes?.includes('repo')) ? notFound() : work(asked)
  }
}
const ok = (body: unknown, status = 200): Reply => ({ status, body })
const list = (asked: Asked, items: readonly unknown[]): Reply => ({ status: 200, ...paged(asked, items, { usual: 30, most: 100 }) })

const read = (path: string, query: string, answer: Route['answer']): Route => ({
  call: `GET ${path}`,
  scopes: [],
  query: words(query),
  answer,
})
const change = (call: string, body: string, answer: Route['answer']): Route => ({
  call,
  scopes: ['repo', 'public_repo'],
  body: words(body),
  answer: inRepo(answer),
})

/** [paths] A search without q is 422. */
const search = (what: string, query: string, items: readonly unknown[]): Route =>
  read(`/search/${what}`, `q sort order ${PAGES} ${query}`, (asked) => {
    if (!asked.req.query.get('q')) return invalid('q', 'missing', 'Search')
    const { headers, body } = paged(asked, items, { usual: 30, most: 100 })
    return { status: 200, headers, body: { total_count: items.length, incomplete_results: false, items: body } }
  })

const IN = '/repos/{owner}/{repo}'
const LIST_ISSUES = `milestone state assignee type creator mentioned issue_field_values labels sort direction since ${PAGES}`
const ISSUE = 'title body assignee milestone labels assignees issue_field_values type'

const routes: Route[] = [
  read('/user', '', () => ok(owner)),
  read('/users/{username}', '', ({ at }) => (at.username === 'octocat' ? ok(owner) : notFound())),
  read('/user/repos', `visibility affiliation type sort direction since before ${PAGES}`, (asked) => {
    const { query } = asked.req
    // [paths] "Will cause a 422 error if used in the same request as visibility or affiliation."
    if (query.has('type') && (query.has('visibility') || query.has('affiliation')))
      return error(422, 'If you specify visibility or affiliation, you cannot specify type.')
    return list(
      asked,
      range(65, (n) => repoOf(`world-${n}`, false)),
    )
  }),
  read(
    IN,
    '',
    inRepo(({ at }) => ok(REPOS.find((it) => it.name === at.repo))),
  ),
  read(
    `${IN}/pulls`,
    `state head base sort direction ${PAGES}`,
    inRepo((asked) =>
      list(
        asked,
        range(65, (n) => pull(n)),
      ),
    ),
  ),
  read(
    `${IN}/pulls/{number}`,
    '',
    inRepo(({ at }) => (Number(at.number) < 100 ? ok(pull(Number(at.number))) : notFound())),
  ),
  read(
    `${IN}/pulls/{number}/files`,
    PAGES,
    inRepo((asked) => list(asked, range(65, changed))),
  ),
  read(
    `${IN}/branches`,
    `protected ${PAGES}`,
    inRepo((asked) => list(asked, [...BRANCHES, ...range(62, (n) => `b${n}`)].map(branch))),
  ),
  read(
    `${IN}/branches/{branch}`,
    '',
    inRepo(({ at }) => (BRANCHES.includes(String(at.branch)) ? ok(branch(String(at.branch))) : error(404, 'Branch not found'))),
  ),
  read(
    `${IN}/git/ref/heads/{branch}`,
    '',
    inRepo(({ at }) =>
      BRANCHES.includes(String(at.branch)) ? ok({ ref: `refs/heads/${at.branch}`, object: { sha: HEAD, type: 'commit' } }) : notFound(),
    ),
  ),
  read(
    `${IN}/issues`,
    LIST_ISSUES,
    inRepo((asked) =>
      list(
        asked,
        range(65, (n) => issue(n, n % 3 === 0 ? { pull_request: { url: '' } } : {})),
      ),
    ),
  ),
  read(
    `${IN}/issues/{number}`,
    '',
    inRepo(({ at }) => (at.number === '410' ? error(410, 'This issue was deleted') : ok(issue(Number(at.number))))),
  ),
  read(
    `${IN}/issues/{number}/comments`,
    `since ${PAGES}`,
    inRepo((asked) =>
      list(
        asked,
        range(65, (n) => comment(n, 'Same here.')),
      ),
    ),
  ),
  read(
    `${IN}/commits`,
    `sha path author committer since until ${PAGES}`,
    inRepo((asked) => list(asked, range(65, commit))),
  ),
  read(
    `${IN}/compare/{basehead}`,
    PAGES,
    inRepo((asked) => {
      if (!/^.+\.\.\..+$/.test(String(asked.at.basehead))) return notFound()
      const { headers, body } = paged(asked, range(65, commit), { usual: 30, most: 100 })
      return {
        status: 200,
        headers,
        body: { status: 'ahead', ahead_by: 65, behind_by: 0, total_commits: 65, commits: body, files: [changed(1)] },
      }
    }),
  ),
  read(
    `${IN}/tags`,
    PAGES,
    inRepo((asked) =>
      list(
        asked,
        range(65, (n) => ({ name: `v${n}`, commit: { sha: SHA, url: '' } })),
      ),
    ),
  ),
  read(`${IN}/contents/{+path}`, 'ref', inRepo(contents)),
  read(
    `${IN}/contents`,
    'ref',
    inRepo(() => ok([{ type: 'dir', name: 'docs', path: 'docs', sha: SHA, size: 0 }, entry('logo.png', 6)])),
  ),
  search(
    'repositories',
    '',
    range(65, (n) => repoOf(`world-${n}`, false)),
  ),
  search(
    'code',
    '',
    range(65, (n) => ({ name: 'a.ts', path: `src/${n}/a.ts`, sha: SHA, html_url: 'https://github.com/octocat/hello-world' })),
  ),
  search(
    'issues',
    'advanced_search search_type',
    range(65, (n) => issue(n)),
  ),
  search(
    'users',
    '',
    range(65, (n) => ({ ...owner, id: n })),
  ),

  change(`POST ${IN}/pulls`, 'title head head_repo base body maintainer_can_modify draft issue', ({ body }) => {
    for (const field of ['head', 'base']) if (!body[field]) return invalid(field, 'missing_field', 'PullRequest')
    if (!BRANCHES.includes(String(body.head))) return invalid('head', 'invalid', 'PullRequest')
    return ok(pull(66, { title: body.title }), 201)
  }),
  change(`PATCH ${IN}/pulls/{number}`, 'title body state base maintainer_can_modify', ({ at, body }) =>
    ok(pull(Number(at.number), body.base ? {} : body)),
  ),
  change(`PUT ${IN}/pulls/{number}/merge`, 'commit_title commit_message sha merge_method', ({ at, body }) => {
    if (at.number === '8') return error(405, 'Pull Request is not mergeable')
    if (body.sha !== undefined && body.sha !== HEAD) return error(409, 'Head branch was modified. Review and try the merge again.')
    return ok({ sha: SHA, merged: true, message: 'Pull Request successfully merged' })
  }),
  change(`POST ${IN}/git/refs`, 'ref sha', ({ body }) => {
    if (!/^refs\/.+\/.+|^refs\/heads\/.+/.test(String(body.ref)) || !/^[0-9a-f]{40}$/.test(String(body.sha)))
      return error(422, 'Reference name must start with refs/')
    if (BRANCHES.includes(String(body.ref).replace('refs/heads/', ''))) return error(422, 'Reference already exists')
    return ok({ ref: body.ref, object: { sha: body.sha, type: 'commit' } }, 201)
  }),
  change(`POST ${IN}/issues`, ISSUE, ({ body }) =>
    body.title ? ok(issue(66, { title: body.title }), 201) : invalid('title', 'missing_field', 'Issue'),
  ),
  change(`PATCH ${IN}/issues/{number}`, `${ISSUE} state state_reason duplicate_issue_id`, ({ at, body }) =>
    ok(issue(Number(at.number), { state: body.state ?? 'open' })),
  ),
  change(`POST ${IN}/issues/{number}/comments`, 'body', ({ body }) =>
    body.body ? ok(comment(66, String(body.body)), 201) : invalid('body', 'missing_field', 'IssueComment'),
  ),
  change(`PUT ${IN}/contents/{+path}`, 'message content sha branch committer author', putFile),
  change(`DELETE ${IN}/contents/{+path}`, 'message sha branch committer author', ({ at, body }) => {
    if (FILES[String(at.path)] === undefined) return notFound()
    if (body.sha === undefined) return error(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    return body.sha === SHA ? ok({ content: null, commit: { sha: HEAD } }) : error(409, `${at.path} does not match ${body.sha}`)
  }),
  change(`POST ${IN}/forks`, 'organization name default_branch_only', ({ at }) => ok(repoOf(String(at.repo), false), 202)),
]

/** [paths] Contents come in base64 with line breaks; above 1 MB content is empty and encoding is "none". */
function contents({ at }: Asked): Reply {
  const path = String(at.path)
  const inside = Object.keys(FILES).filter((it) => it.startsWith(`${path}/`))
  if (inside.length > 0) return ok(inside.map((it) => entry(it, 1)))
  if (path === 'big.bin')
    return ok({ ...entry(path, 2_000_000), content: '', encoding: 'none', download_url: 'https://raw.example.com/big.bin' })
  const file = FILES[path]
  if (file === undefined) return notFound()
  return ok({ ...entry(path, file.length), content: file.toString('base64').replace(/(.{4})/g, '$1\n'), encoding: 'base64' })
}

function putFile({ at, body }: Asked): Reply {
  const path = String(at.path)
  for (const field of ['message', 'content'])
    if (typeof body[field] !== 'string') return error(422, `Invalid request.\n\n"${field}" wasn't supplied.`)
  if (!/^[A-Za-z0-9+/\s]*={0,2}$/.test(String(body.content))) return error(422, 'content is not valid Base64')
  if (FILES[path] !== undefined && body.sha === undefined) return error(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
  if (FILES[path] !== undefined && body.sha !== SHA) return error(409, `${path} does not match ${body.sha}`)
  return ok({ content: entry(path, 1), commit: { sha: HEAD } }, FILES[path] === undefined ? 201 : 200)
}

const github: Vendor = {
  routes,
  credentials,
  credentialOf: (req: Recorded) => /^(?:Bearer|token) (\S+)$/.exec(req.headers.authorization ?? '')?.[1] ?? null,
  demand: (req) => {
    if (!req.headers['user-agent'] || req.headers['user-agent'] === 'node') {
      return {
        status: 403,
        headers: { 'content-type': 'text/plain' },
        body: 'Request forbidden by administrative rules. Please make sure your request has a User-Agent header.',
      }
    }
    const version = req.headers['x-github-api-version'] ?? '2022-11-28'
    return version === '2022-11-28' ? null : error(400, `${version} is not a supported version`)
  },
  unauthorized: () => error(401, 'Bad credentials'),
  unknownRoute: notFound,
  unknownField: (name) => error(422, `Invalid request.\n\n"${name}" is not a permitted key.`),
  scopeMissing: ({ kind }) =>
    kind === 'fine-grained'
      ? {
          ...error(403, 'Resource not accessible by personal access token'),
          headers: { 'x-accepted-github-permissions': 'contents=write' },
        }
      : error(403, 'Must have push access to repository'),
  always: ({ kind, scopes }, route) => ({
    'x-ratelimit-limit': '5000',
    'x-ratelimit-remaining': '4999',
    'x-ratelimit-reset': epoch(RESET_IN_S),
    'x-ratelimit-resource': 'core',
    ...(kind === 'fine-grained'
      ? { 'github-authentication-token-expiration': '2027-03-31 00:00:00 +0900' }
      : {
          'x-oauth-scopes': (scopes ?? []).join(', '),
          'x-accepted-oauth-scopes': route.scopes.join(', '),
          'github-authentication-token-expiration': '2027-10-12 09:00:00 UTC',
        }),
  }),
}

export const startGithub = (): Promise<Stub> => startStub(github)
