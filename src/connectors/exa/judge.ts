import { type Judge, said, standardJudge, type Verdict, waitOf } from '../contract.ts'

/** Limits are counted by the second (exa.ai/docs/reference/rate-limits), so this is the least that helps where no header says more. */
const LEAST_WAIT_S = 1

/** What is in the way is the content, not the key: another query may do. */
const CONTENT = new Set(['PROHIBITED_CONTENT', 'CONTENT_FILTER_ERROR', 'ROBOTS_FILTER_FAILED'])

/**
 * Exa's meaning of an answer. Its statuses can be relied on ("branch on the HTTP status code first"); the tag tells apart what a 403 is about.
 * A 402 is about money and never about the key.
 */
export const judge: Judge = (heard) => {
  const { status, headers, body } = heard
  const { tag } = (typeof body === 'object' && body !== null ? body : {}) as { tag?: unknown }
  const told = byStatus(status, String(tag))
  const reason = said(body)
  if (told !== null) return { ...told, message: `Exa ${told.message} (${status})${reason === '' ? '.' : `: ${reason}`}` }
  const verdict = standardJudge(heard, 'Exa')
  return verdict?.code === 'UPSTREAM_RATE_LIMITED' ? { ...verdict, retryAfter: waitOf(headers) ?? LEAST_WAIT_S } : verdict
}

function byStatus(status: number, tag: string): Verdict | null {
  if (status === 402) {
    return {
      code: 'UPSTREAM_INVALID',
      message: 'wants to be paid first',
      hint: 'Top up at dashboard.exa.ai, or raise the budget of the key or the team. The key itself is fine.',
      details: { reason: 'quota' },
    }
  }
  if (status === 403 && CONTENT.has(tag))
    return { code: 'UPSTREAM_INVALID', message: 'does not serve this content', details: { reason: 'content' } }
  if (status === 403) {
    // What the plan leaves out is no fault of this connection, unless the key itself was narrowed.
    const narrowed = tag === 'INSUFFICIENT_SCOPE'
    return {
      code: 'SCOPE_MISSING',
      message: narrowed ? 'misses a permission of this key' : 'does not offer this to the account',
      hint: narrowed
        ? 'Give the key this permission at dashboard.exa.ai, or enter another one.'
        : 'Look at the plan of the account at dashboard.exa.ai.',
      details: { reason: narrowed ? 'permission' : 'denied' },
    }
  }
  if (status === 501)
    return {
      code: 'UPSTREAM_INVALID',
      message: 'found too little for an answer',
      hint: 'Put the question in other words, or use exa_search.',
    }
  return null
}
