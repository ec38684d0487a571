import { type Judge, said, standardJudge, type Verdict, waitOf } from '../contract.ts'

/** A 429 under one of these passes only when somebody pays or raises a limit: "retrying … will not restore API access" (error codes guide). */
const MONEY = new Set([
  'insufficient_quota',
  'credit_balance_exhausted',
  'organization_spend_limit_exceeded',
  'project_spend_limit_exceeded',
  'organization_usage_limit_exceeded',
  'billing_not_active',
])
const UNIT_S: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 }

type Told = Omit<Verdict, 'message'> & { says: string }

/**
 * The meaning of an answer of OpenAI, and of the many servers that answer like it. A 401 is not always about the key: a living one may lack
 * a permission, or be used from an address that is not allowed. A 429 is a limit that passes, or a bill that does not.
 */
export const judge: Judge = (heard) => {
  const { status, headers, body } = heard
  if (status < 300) return null
  const { type, code } = errorOf(body)
  const reason = withoutKeys(said(body))
  const told = byName(status, type, code, reason)
  if (told !== null) {
    const { says, ...verdict } = told
    return { ...verdict, message: `The model service ${says} (${status})${reason === '' ? '.' : `: ${reason}`}` }
  }
  const verdict = standardJudge(heard, 'The model service')
  if (verdict === null) return null
  const retryAfter = verdict.retryAfter ?? (status === 429 ? resetOf(headers) : undefined)
  return { ...verdict, message: withoutKeys(verdict.message), ...(retryAfter === undefined ? {} : { retryAfter }) }
}

function byName(status: number, type: string, code: string, reason: string): Told | null {
  if (status === 402 || ((status === 429 || status === 403) && (MONEY.has(code) || MONEY.has(type)))) {
    return {
      code: 'UPSTREAM_INVALID',
      says: 'wants to be paid first',
      hint: 'Add credit or raise the limit of the organization or the project. The key itself is fine.',
      details: { reason: 'quota' },
    }
  }
  // The limit of a minute is smaller than this one request, so that no minute will do.
  if (status === 429 && /^Request too large/i.test(reason))
    return { code: 'UPSTREAM_INVALID', says: 'takes less than this at once', hint: 'Send less text, or ask for a shorter answer.' }
  if ((status === 401 || status === 403) && (code === 'missing_scope' || /\bMissing scopes?:/i.test(reason))) {
    return {
      code: 'SCOPE_MISSING',
      says: 'misses a permission of this key',
      hint: 'Give the restricted key this permission (Settings → API keys), or enter another key.',
      details: { reason: 'permission', missing: /\bMissing scopes?: ([\w.]*\w(?:, ?[\w.]*\w)*)/i.exec(reason)?.[1] ?? null },
    }
  }
  if (status === 401 && (code === 'ip_not_authorized' || /\bIP\b[^.]*\bnot authorized\b/i.test(reason)))
    return away(
      'does not take calls from this address',
      'Add the address of this server to the IP allowlist of the organization or project.',
    )
  if (status === 403 && code.startsWith('unsupported_country'))
    return away(
      'does not serve the country that this server stands in',
      'The key itself is fine; calls have to come from a supported country.',
    )
  if ((status === 403 || status === 404) && code === 'model_not_found') {
    const hint = 'Look up the name with openai_list_models, or let the project use this model.'
    if (status === 404) return { code: 'UPSTREAM_NOT_FOUND', says: 'has no such model for this key', hint }
    return { code: 'SCOPE_MISSING', says: 'does not give this model to the project', hint, details: { reason: 'denied' } }
  }
  return null
}

const away = (says: string, hint: string): Told => ({ code: 'SCOPE_MISSING', says, hint, details: { reason: 'denied' } })

function errorOf(body: unknown): { type: string; code: string } {
  const { error } = (typeof body === 'object' && body !== null ? body : {}) as { error?: unknown }
  const { type, code } = (typeof error === 'object' && error !== null ? error : {}) as { type?: unknown; code?: unknown }
  return { type: String(type ?? ''), code: String(code ?? '') }
}

/** OpenAI repeats the ends of a wrong key, other servers all of it. */
const withoutKeys = (text: string): string => text.replace(/\bsk-[\w.*…-]+/g, 'sk-…')

/** Seconds until the limit that is used up starts anew, from headers such as `x-ratelimit-reset-tokens: 6m0s`. */
export function resetOf(headers: Headers): number | undefined {
  const waits = ['requests', 'tokens']
    .filter((of) => headers.get(`x-ratelimit-remaining-${of}`) === '0')
    .map((of) => seconds(headers.get(`x-ratelimit-reset-${of}`) ?? ''))
    .filter((it) => it !== undefined)
  return waits.length === 0 ? waitOf(headers) : Math.ceil(Math.max(...waits))
}

function seconds(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/.test(text)) return undefined
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)].reduce((sum, [, n, unit]) => sum + Number(n) * (UNIT_S[unit ?? ''] ?? 0), 0)
}
