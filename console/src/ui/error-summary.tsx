import type { Ref } from 'react'
import { t } from '../words/index.ts'

/** What has to be mended before a form can be sent: the focus comes here, and each line leads to its field. */
export function ErrorSummary({
  problems,
  ref,
}: {
  problems: readonly (readonly [field: string, problem: string])[]
  ref: Ref<HTMLDivElement>
}) {
  return (
    <div ref={ref} tabIndex={-1} role="alert" className="rounded-md border border-danger bg-danger-soft p-3 text-sm">
      <p className="font-medium text-danger">{t('error.summary', { n: problems.length })}</p>
      <ul className="list-disc ps-5">
        {problems.map(([field, problem]) => (
          <li key={field}>
            <button
              type="button"
              className="inline text-start align-top underline hover:no-underline"
              onClick={(e) =>
                e.currentTarget
                  .closest('form')
                  ?.querySelector<HTMLElement>(`[name="${CSS.escape(field)}"]`)
                  ?.focus()
              }
            >
              {problem}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
