/** A field of a step: its label, what it is for, and everything that is wrong at its place, each with its way out. */
import { CircleAlert, TriangleAlert } from 'lucide-react'
import { type ReactNode, useId } from 'react'
import { Button, buttonClass } from '../../ui/button.tsx'
import { t } from '../../words/index.ts'
import type { Issue } from './issues.ts'

export interface Ids {
  id: string
  labelledBy: string
  describedBy: string | undefined
  invalid: boolean
}

export function Place(props: {
  label: string
  /** In the step, so that whoever looks for a problem finds its field. */
  path: string
  hint?: ReactNode
  required?: boolean
  problem?: string | undefined
  issues?: readonly Issue[]
  onFix?: ((issue: Issue) => void) | undefined
  /** For a control of the browser's own: its label is clicked to get there. */
  native?: boolean
  aside?: ReactNode
  children: (ids: Ids) => ReactNode
}) {
  const id = useId()
  const issues = props.issues ?? []
  const told = props.problem !== undefined || issues.length > 0 || props.hint
  const label = (
    <>
      {props.label}
      {props.required ? (
        <span className="text-ink-3" title={t('field.required')}>
          {' *'}
        </span>
      ) : null}
    </>
  )
  return (
    <div className="flex min-w-0 flex-col gap-1" data-path={props.path}>
      <div className="flex min-h-6 items-end justify-between gap-2">
        {props.native ? (
          <label htmlFor={id} id={`${id}-label`} className="text-sm font-medium break-words">
            {label}
          </label>
        ) : (
          <span id={`${id}-label`} className="text-sm font-medium break-words">
            {label}
          </span>
        )}
        {props.aside}
      </div>
      {props.children({
        id,
        labelledBy: `${id}-label`,
        describedBy: told ? `${id}-told` : undefined,
        invalid: props.problem !== undefined || issues.some((issue) => issue.severity === 'error'),
      })}
      {told ? (
        <div id={`${id}-told`} className="flex flex-col gap-1 text-xs">
          {props.problem === undefined ? null : <p className="text-danger">{props.problem}</p>}
          <Told issues={issues} onFix={props.onFix} />
          {props.hint ? <p className="break-words text-ink-3">{props.hint}</p> : null}
        </div>
      ) : null}
    </div>
  )
}

export function Told({ issues, onFix }: { issues: readonly Issue[]; onFix?: ((issue: Issue) => void) | undefined }) {
  return issues.map((issue) => {
    const Icon = issue.severity === 'error' ? CircleAlert : TriangleAlert
    return (
      <div key={`${issue.code} ${issue.path} ${issue.message}`} className="flex flex-wrap items-center gap-x-2 gap-y-1">
        <p className={`flex min-w-0 items-start gap-1 text-xs ${issue.severity === 'error' ? 'text-danger' : 'text-warn'}`}>
          <Icon size={12} aria-hidden className="mt-0.5 shrink-0" />
          <span className="min-w-0 break-words">{issue.message}</span>
        </p>
        <WayOut issue={issue} onFix={onFix} />
      </div>
    )
  })
}

export function WayOut({ issue, onFix }: { issue: Issue; onFix?: ((issue: Issue) => void) | undefined }) {
  return (
    <>
      {issue.fix && onFix ? (
        <Button size="sm" className="!h-6 !px-2 text-xs" onClick={() => onFix(issue)}>
          {t('problems.fix')}
        </Button>
      ) : null}
      {issue.grantUrl ? (
        <a className={`${buttonClass('plain', 'sm')} !h-6 !px-2 text-xs`} href={issue.grantUrl} target="_blank" rel="noopener opener">
          {t('mcp.grant')}
        </a>
      ) : null}
    </>
  )
}
