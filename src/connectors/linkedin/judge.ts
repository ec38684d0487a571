import { type Judge, said, standardJudge, type Verdict, waitOf } from '../contract.ts'

/** What a call needs, for the sentence when LinkedIn refuses it. */
export interface Needs {
  scopes: readonly string[]
  /** Nothing but a scope can be missing: no page with its roles is in play. */
  sure?: boolean
}

const DAY_S = 86_400

/**
 * LinkedIn's meaning of an answer, for one call. It knows daily quotas for app and member, without a header that tells of them: the first
 * 429 may be its own protection and is met again at once, the second one means that the quota is spent (until midnight UTC).
 */
export function judgeFor(needs: Needs): Judge {
  let limits = 0
  return (heard) => {
    const { status, headers, body } = heard
    if (status < 300) return null
    const message = told(body)
    if (status === 429) return limited(headers, message, ++limits > 1)
    if (status === 426 || codeOf(body) === 'VERSION_MISSING') return sunset(status, message)
    if (status < 500 && /\bduplicate\b/i.test(message)) return duplicate(status, message)
    if (status === 403 || (status === 400 && /permissions must be used/i.test(message))) return refused(status, message, needs)
    if (status === 400 || status === 422)
      return { code: 'UPSTREAM_INVALID', message: `LinkedIn did not accept the request (${status}): ${message}` }
    const verdict = standardJudge(heard, 'LinkedIn')
    return status === 401 && verdict !== null ? { ...verdict, hint: ENDED } : verdict
  }
}

const ENDED =
  'Connect the account again. When a member agrees to the same app with other scopes, LinkedIn ends the tokens that were there before.'

/** The second limit in one call, or one that names the day, lasts until midnight UTC. */
function limited(headers: Headers, message: string, again: boolean): Verdict {
  const asked = waitOf(headers)
  const spent = again || /\bday\b/i.test(message)
  const now = Date.parse(headers.get('date') ?? '') / 1000
  const wait = asked ?? (spent && Number.isFinite(now) ? DAY_S - (now % DAY_S) : undefined)
  return {
    code: 'UPSTREAM_RATE_LIMITED',
    message: spent ? `LinkedIn: the quota of the day is spent (429): ${message}` : `LinkedIn asks us to slow down (429): ${message}`,
    ...(spent
      ? { hint: 'Quotas are for the app and for each member, and start anew at midnight UTC. Developer Portal → Analytics shows them.' }
      : {}),
    ...(wait === undefined ? {} : { retryAfter: Math.ceil(wait) }),
  }
}

const sunset = (status: number, message: string): Verdict => ({
  code: 'UPSTREAM_INVALID',
  message: `LinkedIn no longer has this version of its API (${status}): ${message}`,
  hint: 'Set linkedin_version of the profile to one that learn.microsoft.com/linkedin/marketing/versioning lists: each lives for a year.',
})

function duplicate(status: number, message: string): Verdict {
  const urn = /urn:li:(?:share|ugcPost):\d+/.exec(message)?.[0]
  return {
    code: 'UPSTREAM_CONFLICT',
    message: `LinkedIn already has this very post (${status}): ${message}`,
    hint: 'It may have been made by an earlier try. Otherwise change the text, or wait ten minutes.',
    details: urn === undefined ? {} : { post_urn: urn },
  }
}

/**
 * A 403 is a missing scope, a missing role on the page, or a field that this app may not set; LinkedIn's own words seldom tell the first
 * two apart. Where a role may be what is missing it is `denied`: the scopes that were granted are not doubted for it.
 */
function refused(status: number, message: string, { scopes, sure = false }: Needs): Verdict {
  if (/^Unpermitted fields/i.test(message))
    return { code: 'UPSTREAM_INVALID', message: `LinkedIn does not take these fields from this app (${status}): ${message}` }
  const wants = scopes.join(' or ')
  return {
    code: 'SCOPE_MISSING',
    message: `LinkedIn does not allow this to the connected member (${status}): ${message}`,
    hint: sure
      ? `Connect the account again with ${wants || 'the scope that this call needs'}.`
      : `It takes ${wants || 'the scope that this call needs'}, and for a page also a role on it (ADMINISTRATOR or CONTENT_ADMINISTRATOR).` +
        (scopes.includes('r_member_social') ? ' LinkedIn gives r_member_social to few apps.' : ''),
    details: { reason: sure ? 'permission' : 'denied', required_scopes: [...scopes] },
  }
}

/** LinkedIn's sentence, and those of its `errorDetails.inputErrors`, which name the fields. */
function told(body: unknown): string {
  const errors = (body as { errorDetails?: { inputErrors?: unknown } } | null)?.errorDetails?.inputErrors
  const fields = (Array.isArray(errors) ? errors : []).slice(0, 5).map((it: Record<string, never>) => {
    const at = (it.input as { inputPath?: { fieldPath?: string } } | undefined)?.inputPath?.fieldPath
    return [at, it.description].filter((part) => typeof part === 'string').join(' ')
  })
  return [said(body), ...fields].filter((part) => part !== '').join('; ')
}

const codeOf = (body: unknown): unknown => (body as { code?: unknown } | null)?.code
