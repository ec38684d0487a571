import { type Judge, said, standardJudge, type Verdict, waitOf } from '../contract.ts'

/** What a call needs, for the hint when Meta refuses it. */
export type Needs = 'whatsapp_business_messaging' | 'whatsapp_business_management'

/** "Pair rate limits": one message every six seconds to the same person (Cloud API, "Messaging throughput"). */
const PAIR = 131056
const PAIR_WAIT_S = 6

/** [errors] Codes that say that the token is dead, or that there was none. */
const DEAD = new Set([0, 102, 104, 190])
/** [errors] The token lives and lacks a permission, or the business account was not given to whom it stands for. */
const LACKING = new Set([3, 10, 131005])
/** [errors] Meta itself does not let this account act: no permission of the token helps. */
const BARRED = new Set([368, 130497, 131031])
/** [errors] and [limits] "too many": of the app, the business account, a number, or a number with one person. */
const LIMITED = new Set([4, 17, 32, 613, 80007, 80008, 130429, 131048, PAIR, 133016])
/** [errors] Meta's own trouble, whatever the status says. */
const TROUBLE = new Set([1, 2, 131000, 131016, 131057, 133004])
/** [errors] Nothing of that id, or nothing that this token may see. */
const MISSING = new Set([33, 803])

/** [graph] Subcodes of 190: why a token is dead. */
const ENDED: Readonly<Record<number, string>> = {
  458: 'The app was removed from the account: connect it again.',
  460: 'The password of the account was changed, which ended the token: make a new one.',
  463: 'The token has expired. Make one for a system user, which can live without end.',
  467: 'The token was revoked: make a new one.',
}

/** [errors] What a person does about it, where Meta's own sentence does not say. */
const HINTS: Readonly<Record<number, string>> = {
  130472: 'Meta holds this message back in an experiment on marketing: do not send it again.',
  131026:
    'The number may have no WhatsApp, an old version of it, or may not have accepted the terms. Ask the person to write first, or reach them otherwise.',
  131030: 'A test number may write to the recipients of its list only: WhatsApp → API Setup → To.',
  131037: 'The display name of the number has to be approved in WhatsApp Manager first.',
  131042: 'The business account has no valid way to pay: WhatsApp Manager → Account tools → Billing.',
  131045: 'Register the number first: POST /{phone_number_id}/register with its PIN.',
  131047: 'More than 24 hours have passed since this person wrote last: use send_template_message.',
  131048: 'Too many messages of this number were blocked or reported. Look at its quality in WhatsApp Manager before sending more.',
  131049: 'Meta limits how many marketing messages one person gets. Sending it again soon does not help.',
  131050: 'This person has stopped marketing messages of this business.',
  131053: 'Check the kind and the size of the file, and that its address can be read by anybody.',
  132000: 'Give as many parameters as the template has: list_message_templates shows its components.',
  132001: 'Check name and language with list_message_templates: it must be approved in exactly this language.',
  132012: 'Give each parameter in the form that the template has: list_message_templates shows its components.',
  132015: 'The template was paused for low quality. Use another one, or edit it.',
  132016: 'The template was disabled for low quality for good. Make a new one.',
  133010: 'Register the number first: POST /{phone_number_id}/register with its PIN.',
}

interface Told {
  code: number
  subcode: number | null
  /** Meta's sentence and its details. */
  words: string
  trace: string | null
}

/**
 * Meta's meaning of an answer. Its own advice is to go by `error.code`: the same refusal comes with other statuses on other routes, and
 * titles are to go away.
 */
export function judgeFor(needs: Needs | null): Judge {
  return (heard) => {
    const { status, headers } = heard
    const told = status < 300 ? null : read(heard.body)
    if (told === null) return null
    const { code, subcode, words, trace } = told
    const details: Record<string, unknown> = {
      error_code: code,
      ...(subcode === null ? {} : { error_subcode: subcode }),
      ...(trace ? { fbtrace_id: trace } : {}),
    }
    const sentence = (says: string) => `WhatsApp ${says} (${status}): ${words}`
    const hint = HINTS[code]
    const more = hint === undefined ? { details } : { hint, details }
    if (DEAD.has(code) && status < 500) {
      const why = ENDED[subcode ?? 0] ?? 'Make a new token: Business settings → Users → System users → Generate token.'
      return { code: 'CREDENTIAL_REJECTED', message: sentence('rejected the access token'), hint: why, details }
    }
    if (LIMITED.has(code)) {
      const wait = waitOf(headers) ?? regained(headers) ?? (code === PAIR ? PAIR_WAIT_S : undefined)
      const retryAfter = wait === undefined ? {} : { retryAfter: wait }
      // Others may be written to meanwhile.
      if (code === PAIR) details.reason = 'recipient'
      return { code: 'UPSTREAM_RATE_LIMITED', message: sentence('asks us to slow down'), ...retryAfter, ...more }
    }
    if (LACKING.has(code) || (code >= 200 && code <= 299)) return lacking(sentence, needs, details)
    if (BARRED.has(code)) {
      const where = 'Look at the state of the account in WhatsApp Manager. The token itself is fine.'
      return { code: 'SCOPE_MISSING', message: sentence('bars this account'), hint: where, details: { reason: 'denied', ...details } }
    }
    // [graph] Subcode 33 of 100: the object does not exist, or is nothing that this token can see.
    if (MISSING.has(code) || (code === 100 && subcode === 33)) {
      const where = 'Check the id, and that the business account was given to the system user or the app of this token.'
      return { code: 'UPSTREAM_NOT_FOUND', message: sentence('has no such thing, or none that this token may see'), hint: where, details }
    }
    if (TROUBLE.has(code)) return { code: 'UPSTREAM_ERROR', message: sentence('has trouble of its own'), ...more }
    // Codes of the platform have six digits; whatever they are, the request is what would have to change.
    if (status < 500 && (code === 100 || code >= 130_000)) {
      return { code: 'UPSTREAM_INVALID', message: sentence('did not accept the request'), ...more }
    }
    const rest = standardJudge(heard, 'WhatsApp')
    return rest === null ? null : { ...rest, details }
  }
}

function lacking(sentence: (says: string) => string, needs: Needs | null, details: Record<string, unknown>): Verdict {
  return {
    code: 'SCOPE_MISSING',
    message: sentence('does not allow this to the access token'),
    hint:
      (needs === null ? 'Give the token the permission that this call needs' : `Give the token the permission ${needs}`) +
      ', and its system user the business account (Business settings → Accounts → WhatsApp accounts).',
    details: { reason: 'permission', ...(needs === null ? {} : { required_scopes: [needs] }), ...details },
  }
}

/** The error object of the Graph API; null when the body is another one. */
function read(body: unknown): Told | null {
  const error = (body as { error?: unknown } | null)?.error
  if (typeof error !== 'object' || error === null) return null
  const { code, error_subcode, error_data, fbtrace_id } = error as Record<string, unknown>
  if (typeof code !== 'number') return null
  const details = said({ message: (error_data as { details?: unknown } | undefined)?.details })
  const message = said(error)
  return {
    code,
    subcode: typeof error_subcode === 'number' ? error_subcode : null,
    words: [message, ...(details === '' || message.includes(details) ? [] : [details])].filter((it) => it !== '').join(' – '),
    trace: typeof fbtrace_id === 'string' ? fbtrace_id.slice(0, 64) : null,
  }
}

/** [limits] Minutes until calls are let through again, of the business account that has to wait longest. In seconds. */
export function regained(headers: Headers): number | undefined {
  let usage: unknown
  try {
    usage = JSON.parse(headers.get('x-business-use-case-usage') ?? 'null')
  } catch {
    return undefined
  }
  if (typeof usage !== 'object' || usage === null) return undefined
  const minutes = Object.values(usage)
    .flat()
    .map((it: { estimated_time_to_regain_access?: unknown } | null) => Number(it?.estimated_time_to_regain_access))
    .filter((it) => it > 0)
  return minutes.length === 0 ? undefined : Math.ceil(Math.max(...minutes) * 60)
}
