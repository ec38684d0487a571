import { type Judge, said, standardJudge, type Verdict, waitOf } from '../contract.ts'

/** What an integration may be given in Notion's settings ("Capabilities"). Notion tells them of no token: a missing one shows on use. */
export type Capability = 'Read content' | 'Update content' | 'Insert content' | 'Read comments' | 'Insert comments'

/** "Status codes": too much for Notion at the moment, with a Retry-After as for 429. */
const OVERLOADED = 529

/**
 * Notion's meaning of an answer, for one call. What was not shared with an integration does not exist for it; what it was not given as a
 * capability is restricted; and a version that does not know data sources fails on databases that have several.
 */
export const judgeFor =
  (needs: Capability | null): Judge =>
  (heard) => {
    const { status, headers, body } = heard
    if (status < 300) return null
    const message = said(body)
    const { code, additional_data: more } = told(body)
    if (status === 429 || status === OVERLOADED) {
      const reason = typeof more?.rate_limit_reason === 'string' ? ` (${more.rate_limit_reason})` : ''
      const retryAfter = waitOf(headers)
      return {
        code: 'UPSTREAM_RATE_LIMITED',
        message: `Notion asks us to slow down (${status}): ${message}${reason}`,
        ...(retryAfter === undefined ? {} : { retryAfter }),
      }
    }
    const verdict = standardJudge(heard, 'Notion')
    if (verdict === null) return null
    const details = typeof code === 'string' ? { details: { notion_code: code } } : {}
    if (status === 403 && code === 'restricted_resource')
      return { ...verdict, hint: capability(needs), details: { reason: 'capability', needs } }
    if (status === 404 && code === 'object_not_found') return { ...verdict, hint: SHARE, ...details }
    if (status === 409)
      return { ...verdict, hint: 'Nothing was saved, because something else was being saved at the time. Try again.', ...details }
    if (code === 'missing_version') return { ...verdict, hint: VERSION, ...details }
    if (more?.error_type === 'multiple_data_sources_for_database') return several(verdict, more)
    return { ...verdict, ...details }
  }

const SHARE =
  'Check the id. What was not shared with the integration does not exist for it: in Notion open the page or database → ••• → Connections → add the integration.'
const VERSION = 'Set notion_version of the profile to one that developers.notion.com lists under "Changes by version".'

const capability = (needs: Capability | null): string =>
  `In Notion → Settings → Connections → Develop or manage integrations → the integration → Capabilities, turn on ${needs === null ? 'what this call needs' : `"${needs}"`}. The token stays the same.`

const several = (verdict: Verdict, more: Record<string, unknown>): Verdict => ({
  ...verdict,
  hint: 'Set notion_version of the profile to 2025-09-03 or later, and give data_source_id.',
  details: { reason: 'several_data_sources', data_source_ids: more.child_data_source_ids },
})

function told(body: unknown): { code?: unknown; additional_data?: Record<string, unknown> | undefined } {
  const { code, additional_data: more } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  return { code, additional_data: typeof more === 'object' && more !== null ? (more as Record<string, unknown>) : undefined }
}
