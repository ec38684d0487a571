import { type Judge, said, standardJudge, type Verdict } from '../contract.ts'

/**
 * ActiveCampaign's meaning of an answer. Its 403 is two things, "could not be authenticated" and "not authorized", and nothing in the answer
 * tells them apart (reference, Errors): here it is a refused key, and the caller asks once more before a person is sent for.
 */
export const judge: Judge = (heard) => {
  const { status, body } = heard
  if (status === 402) {
    return {
      code: 'SCOPE_MISSING',
      message: `ActiveCampaign does nothing for this account until its bill is settled (402)${tail(said(body))}`,
      hint: 'The key is fine: somebody has to look at the billing page of the ActiveCampaign account.',
      details: { reason: 'denied' },
    }
  }
  if (status === 403) return { code: 'CREDENTIAL_REJECTED', message: `ActiveCampaign refuses the key (403)${tail(said(body))}` }
  if (status === 422) return invalid(body)
  return standardJudge(heard, 'ActiveCampaign')
}

/** `{"errors":[{title, detail, code, source:{pointer}}]}`: every title counts, and `duplicate` says that it is there already. */
function invalid(body: unknown): Verdict {
  const errors = (body as { errors?: unknown } | null)?.errors
  const list = Array.isArray(errors) ? errors.slice(0, 5) : []
  const reasons = list.map((it) => said(it)).filter((it) => it !== '')
  const sentence = tail(reasons.length > 0 ? reasons.join('; ') : said(body))
  if (list.some((it) => it?.code === 'duplicate')) {
    return { code: 'UPSTREAM_CONFLICT', message: `ActiveCampaign has this already (422)${sentence}` }
  }
  return { code: 'UPSTREAM_INVALID', message: `ActiveCampaign did not accept the request (422)${sentence}` }
}

const tail = (reason: string): string => (reason === '' ? '.' : `: ${reason}`)
