import { type Judge, said, standardJudge, waitOf } from '../contract.ts'

/** developer.clickup.com, "Common errors": the token is gone, or its owner took it back. */
const GONE = new Set(['OAUTH_019', 'OAUTH_021', 'OAUTH_025', 'OAUTH_077'])
/** The same page: the token lives, but this workspace was not opened to it. */
const OUTSIDE = new Set(['OAUTH_023', 'OAUTH_026', 'OAUTH_027', ...Array.from({ length: 17 }, (_, i) => `OAUTH_0${29 + i}`)])
/** The same page: the header with the token did not arrive. */
const NO_HEADER = 'OAUTH_017'
/** Limits are counted by the minute ("Rate limits"), so a limit without a time is over by then. */
const WINDOW_S = 60

/**
 * ClickUp's meaning of an answer. Its 401 says little before its ECODE is read: a dead token, a workspace that this token does not reach, or
 * one thing in it that the owner of the token may not touch.
 */
export const judge: Judge = (heard) => {
  const { status, headers } = heard
  if (status < 300) return null
  const { reason, ecode } = told(heard.body)
  if (status === 429) {
    return {
      code: 'UPSTREAM_RATE_LIMITED',
      message: `ClickUp asks us to slow down (429): ${reason}`,
      hint: 'ClickUp counts requests a minute for each token: 100, from Business Plus on 1,000, for Enterprise 10,000.',
      retryAfter: waitOf(headers, 'x-ratelimit-reset') ?? WINDOW_S,
    }
  }
  if (status < 500 && OUTSIDE.has(ecode)) {
    return {
      code: 'SCOPE_MISSING',
      message: `ClickUp does not open this workspace to the connected token (${status}): ${reason}`,
      hint: 'clickup_get_workspaces lists what the token reaches. ClickUp says the same of an id that exists nowhere: check it first.',
      details: { reason: 'workspace', ecode },
    }
  }
  if (status === 401 && ecode === NO_HEADER)
    return { code: 'UPSTREAM_ERROR', message: `ClickUp did not get the token (401): ${reason}`, details: { ecode } }
  if (status === 401 && ecode !== '' && !ecode.startsWith('OAUTH_')) {
    return {
      code: 'SCOPE_MISSING',
      message: `ClickUp does not allow this to the token's owner (401): ${reason}`,
      hint: 'The token lives. Look at the rights of its owner on this space, list or task.',
      details: { reason: 'denied', ecode },
    }
  }
  const verdict = standardJudge({ ...heard, body: reason === '' ? heard.body : { message: reason } }, 'ClickUp')
  if (verdict === null || ecode === '') return verdict
  const dead = GONE.has(ecode)
    ? { hint: 'The token was regenerated or revoked. Enter the one that ClickUp → Settings → Apps shows now.' }
    : {}
  return { ...verdict, ...dead, details: { ecode } }
}

/** `{"err": "Token invalid", "ECODE": "OAUTH_025"}`: the sentence with its code, as people look it up. */
function told(body: unknown): { reason: string; ecode: string } {
  const { err, ECODE } = (typeof body === 'object' && body !== null ? body : {}) as { err?: unknown; ECODE?: unknown }
  const ecode = typeof ECODE === 'string' && /^[A-Z]+_\w+$/.test(ECODE) ? ECODE : ''
  const reason = said({ message: err }) || said(body)
  return { reason: ecode === '' ? reason : `${reason} (${ecode})`.trim(), ecode }
}
