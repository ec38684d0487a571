import { useMutation } from '@tanstack/react-query'
import { call } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { Code, CopyChip } from '../../ui/parts.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'

/** Long enough to try it at leisure, short enough to be forgotten about. */
const DAYS = 7

export function FromCode({ workflowId }: { workflowId: string }) {
  const make = useMutation({
    mutationFn: () =>
      call('pats.create', { display_name: t('home.code.name'), scopes: ['workflow:read', 'workflow:run'], expires_in_days: DAYS }),
    gcTime: 0,
  })
  if (!make.data)
    return (
      <div className="flex flex-col items-start gap-2">
        <Button busy={make.isPending} onClick={() => make.mutate()}>
          {t('home.code.make')}
        </Button>
        {make.error ? <Problem error={make.error} /> : null}
      </div>
    )
  const command = [
    `curl -X POST ${location.origin}/v1/workflows/${workflowId}/command`,
    `-H 'Authorization: Bearer ${make.data.token}'`,
    "-H 'Content-Type: application/json'",
    `-d '{"command":"start"}'`,
  ].join(' \\\n  ')
  return (
    <div className="flex flex-col items-start gap-2" role="status">
      <p className="text-sm">{t('home.code.once')}</p>
      <Code text={command} label={t('home.code.title')} />
      <CopyChip text={command} shown={t('action.copy')} />
    </div>
  )
}
