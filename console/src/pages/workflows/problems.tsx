import { CircleAlert, CircleCheck, TriangleAlert } from 'lucide-react'
import type { RefObject } from 'react'
import { Button } from '../../ui/button.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { Refusal } from '../../api.ts'
import { brokenText } from './json-view.tsx'
import { type Issue, placeText } from './issues.ts'
import { WayOut } from './place.tsx'
import type { Studio } from './studio.ts'

export function Problems(props: { studio: Studio; at: RefObject<HTMLElement | null>; goTo: (issue: Issue) => void; goToText: () => void }) {
  const { studio, goTo, goToText } = props
  const { issues, draft, verdict, judging } = studio
  const failed = verdict.error && !(verdict.error instanceof Refusal && verdict.error.status === 422) ? verdict.error : null
  const n = issues.length + (draft.broken ? 1 : 0)
  return (
    <section
      ref={props.at}
      tabIndex={-1}
      aria-label={t('problems.title')}
      className="outline-none mt-4 rounded-[10px] border border-line bg-surface"
    >
      <header className="flex min-h-10 items-center gap-2 px-4 py-2">
        <h2 className="text-base font-semibold">{t('problems.title')}</h2>
        <p role="status" className="text-xs text-ink-3">
          {judging && !failed ? t('problems.judging') : n === 0 ? '' : t('problems.count', { n })}
        </p>
        {n > 0 ? <p className="ms-auto hidden text-xs text-ink-3 sm:block">{t('problems.keys')}</p> : null}
      </header>
      {failed ? (
        <div className="px-4 pb-3">
          <Problem error={failed} retry={verdict.refetch} />
        </div>
      ) : n === 0 && !judging ? (
        <p className="flex items-center gap-2 border-t border-line px-4 py-3 text-ok">
          <CircleCheck size={14} aria-hidden />
          {t('problems.clean')}
        </p>
      ) : null}
      {n > 0 ? (
        <ol className="border-t border-line">
          {draft.broken ? (
            <li className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-2 last:border-0">
              <CircleAlert size={14} aria-hidden className="shrink-0 text-danger" />
              <span className="min-w-0 flex-1 break-words">{brokenText(draft.broken)}</span>
              <Button size="sm" onClick={goToText}>
                {t('problems.goTo')}
              </Button>
            </li>
          ) : null}
          {issues.map((issue) => {
            const Icon = issue.severity === 'error' ? CircleAlert : TriangleAlert
            return (
              <li
                key={`${issue.stepId} ${issue.path} ${issue.code} ${issue.message}`}
                className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-2 last:border-0"
              >
                <Icon size={14} aria-hidden className={`shrink-0 ${issue.severity === 'error' ? 'text-danger' : 'text-warn'}`} />
                <span className="sr-only">{t(`problems.${issue.severity}`)}</span>
                <span className="min-w-0 flex-1 basis-60">
                  <span className="block font-medium break-words">{issue.message}</span>
                  <span className="block text-xs break-words text-ink-3">
                    {[placeText(issue, draft.graph), issue.code].filter(Boolean).join(' · ')}
                  </span>
                </span>
                <span className="flex gap-1">
                  <WayOut issue={issue} onFix={studio.readOnly || draft.broken ? undefined : studio.fix} />
                  {issue.stepId === null ? null : (
                    <Button size="sm" className="!h-6 !px-2 text-xs" onClick={() => goTo(issue)}>
                      {t('problems.goTo')}
                    </Button>
                  )}
                </span>
              </li>
            )
          })}
        </ol>
      ) : null}
    </section>
  )
}
