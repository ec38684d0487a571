import { type Judge, said, standardJudge, waitOf } from '../contract.ts'

/** For a secondary limit that names no time: "wait for at least one minute" (docs.github.com, Troubleshooting the REST API). */
const SECONDARY_WAIT_S = 60

/**
 * GitHub's meaning of an answer. A 403 is told apart by headers and message before anything is said of the token: rate limit, single
 * sign-on, missing permission, or something else that this account may not do. A 404 hides private things from tokens that cannot see them.
 */
export const judge: Judge = (heard) => {
  const { status, headers, body } = heard
  if (status < 300) return null
  const message = said(body)
  if (status === 429 || (status === 403 && limited(headers, message))) {
    return {
      code: 'UPSTREAM_RATE_LIMITED',
      message: `GitHub asks us to slow down (${status}): ${message}`,
      retryAfter: waitOf(headers, headers.get('x-ratelimit-remaining') === '0' ? 'x-ratelimit-reset' : undefined) ?? SECONDARY_WAIT_S,
    }
  }
  if (status === 403) return forbidden(headers, message)
  if (status === 404) {
    return {
      code: 'UPSTREAM_NOT_FOUND',
      message: 'GitHub: not found or not visible to this token (404).',
      hint: 'Check owner and name. A private repository also needs the scope "repo", or a fine-grained token that was given this repository.',
    }
  }
  // Merging what cannot be merged is a 405 here (REST, "Merge a pull request").
  if (status === 405) return { code: 'UPSTREAM_CONFLICT', message: `GitHub cannot do this in the present state (405): ${message}` }
  if (status === 422)
    return { code: 'UPSTREAM_INVALID', message: `GitHub did not accept the request (422): ${[message, ...fields(body)].join('; ')}` }
  return standardJudge(heard, 'GitHub')
}

function limited(headers: Headers, message: string): boolean {
  return headers.get('x-ratelimit-remaining') === '0' || headers.has('retry-after') || /secondary rate limit/i.test(message)
}

function forbidden(headers: Headers, message: string): ReturnType<Judge> {
  const sso = headers.get('x-github-sso')
  if (sso !== null || /SAML enforcement/i.test(message)) {
    const url = /url=(https:\/\/[^\s;,]+)/.exec(sso ?? '')?.[1]
    return {
      code: 'SCOPE_MISSING',
      message: 'GitHub: the organization demands that this token be authorized for its single sign-on (403).',
      hint: 'Authorize the token for the organization (GitHub → Settings → Developer settings → the token → Configure SSO). The token itself is fine.',
      details: { reason: 'sso', ...(url === undefined ? {} : { authorize_url: url }) },
    }
  }
  const accepted = list(headers.get('x-accepted-oauth-scopes'))
  const has = headers.get('x-oauth-scopes')
  const lacks = has !== null && accepted.length > 0 && !accepted.some((scope) => list(has).includes(scope))
  if (/^Resource not accessible by/i.test(message) || lacks) {
    const permissions = headers.get('x-accepted-github-permissions')
    return {
      code: 'SCOPE_MISSING',
      message: `GitHub: the token lacks a permission (403): ${message}`,
      hint: `Give the token ${permissions ?? (accepted.length > 0 ? `one of the scopes ${accepted.join(', ')}` : 'the permission that this call needs')}.`,
      details: { reason: 'permission', accepted_scopes: accepted, accepted_permissions: permissions },
    }
  }
  return {
    code: 'SCOPE_MISSING',
    message: `GitHub does not allow this to the token's owner (403): ${message}`,
    hint: 'No scope of the token helps here: look at the rights of its owner and at the rules of the organization.',
    details: { reason: 'denied' },
  }
}

/** The `errors` of a "Validation Failed": `field code`, or the message of a `custom` one. */
function fields(body: unknown): string[] {
  const errors = (body as { errors?: unknown } | null)?.errors
  if (!Array.isArray(errors)) return []
  return errors
    .slice(0, 5)
    .map((it) => said(it) || `${it?.field ?? ''} ${it?.code ?? ''}`.trim())
    .filter((it) => it !== '')
}

/** `repo, read:org` → both; null → none. */
export const list = (header: string | null): string[] =>
  (header ?? '')
    .split(',')
    .map((s) => s.trim())
    .filter((s) => s !== '')
