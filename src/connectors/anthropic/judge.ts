import { type Judge, said, standardJudge, type Verdict, waitOf } from '../contract.ts'

/** Sentences of a 400 that is about money: no credit, or a limit that the organization or workspace has set itself. */
const MONEY = /^(?:Your credit balance is too low|You have reached your specified (?:workspace )?API usage limits)/i
/** Each is counted by itself, and any of them may be the one that is used up. */
const LIMITS = ['requests', 'tokens', 'input-tokens', 'output-tokens']

/**
 * Anthropic's meaning of an answer. Money comes in three statuses: 402, a 400 that names it, and a 429 with the same type as a rate limit, which
 * is told apart by its code and lasts until the month ends.
 */
export const judge: Judge = (heard) => {
  const { status, headers, body } = heard
  if (status < 300) return null
  const { type, code } = errorOf(body)
  const reason = said(body)
  const told = special(status, type, code, reason)
  if (told !== null) return { ...told, message: `Anthropic ${told.message} (${status})${reason === '' ? '.' : `: ${reason}`}` }
  const verdict = standardJudge(heard, 'Anthropic')
  if (verdict?.code !== 'UPSTREAM_RATE_LIMITED') return verdict
  const retryAfter = waitOf(headers) ?? resetOf(headers)
  return { ...verdict, ...(retryAfter === undefined ? {} : { retryAfter }) }
}

function special(status: number, type: string, code: string, reason: string): Verdict | null {
  if (status === 402 || type === 'billing_error' || code === 'enforced_spend_limit_reached' || (status === 400 && MONEY.test(reason))) {
    return {
      code: 'UPSTREAM_INVALID',
      message: 'wants to be paid first',
      hint: 'Add credit, or raise the spend limit (Claude Console → Billing). The key itself is fine.',
      details: { reason: 'quota' },
    }
  }
  if (status === 403 && type === 'forbidden') {
    return {
      code: 'SCOPE_MISSING',
      message: 'does not take calls from here',
      hint: 'The key may be fine: look whether this server stands in a supported country.',
      details: { reason: 'denied' },
    }
  }
  if (status === 403) {
    return {
      code: 'SCOPE_MISSING',
      message: 'does not allow this to the key',
      hint: 'Look at the workspace of the key and at what the organization may use (Claude Console → Settings).',
      details: { reason: 'permission' },
    }
  }
  if (status === 404 && /^model:/.test(reason))
    return { code: 'UPSTREAM_NOT_FOUND', message: 'has no such model for this key', hint: 'Look up the name with anthropic_list_models.' }
  // Not a standard status: the API is short of room for everybody.
  if (status === 529) return { code: 'UPSTREAM_ERROR', message: 'is overloaded' }
  return null
}

function errorOf(body: unknown): { type: string; code: string } {
  const { error } = (typeof body === 'object' && body !== null ? body : {}) as { error?: unknown }
  const { type, details } = (typeof error === 'object' && error !== null ? error : {}) as { type?: unknown; details?: unknown }
  const { error_code } = (typeof details === 'object' && details !== null ? details : {}) as { error_code?: unknown }
  return { type: String(type ?? ''), code: String(error_code ?? '') }
}

/** Seconds until the limit that is used up starts anew, by the clock of the answer. undefined: the headers do not say. */
export function resetOf(headers: Headers): number | undefined {
  const now = Date.parse(headers.get('date') ?? '')
  const waits = LIMITS.filter((of) => headers.get(`anthropic-ratelimit-${of}-remaining`) === '0')
    .map((of) => (Date.parse(headers.get(`anthropic-ratelimit-${of}-reset`) ?? '') - now) / 1000)
    .filter((it) => Number.isFinite(it))
  return waits.length === 0 ? undefined : Math.max(0, Math.ceil(Math.max(...waits)))
}
