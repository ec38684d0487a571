import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { useDenied } from '../../may.ts'
import { webhooksQuery, workflowsQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { cellClass, Table, Time } from '../../ui/parts.tsx'
import { Card, Empty, Problem, Region } from '../../ui/region.tsx'
import { Switch } from '../../ui/switch.tsx'
import { type Key, t } from '../../words/index.ts'
import { NewWebhook } from './new-webhook.tsx'
import { WebhookSheet } from './webhook.tsx'

export type Webhook = Answer<'webhooks.list'>['items'][number]

export function Webhooks() {
  const denied = useDenied('project_contributor')
  const queries = useQueryClient()
  const search = useSearch({ from: '/shell/settings' })
  const navigate = useNavigate({ from: '/settings' })
  const list = useQuery(webhooksQuery)
  const names = new Map(useQuery(workflowsQuery).data?.items.map((w) => [w.id, w.name]))
  const [making, setMaking] = useState(false)
  const turn = useMutation({
    mutationFn: (set: { id: string; enabled: boolean }) => call('webhooks.update', set),
    onSettled: () => queries.invalidateQueries({ queryKey: ['webhooks'] }),
  })
  const add = (
    <Button look="primary" disabled={denied !== null} title={denied ?? undefined} onClick={() => setMaking(true)}>
      <Plus size={14} aria-hidden />
      {t('hooks.new')}
    </Button>
  )
  const open = list.data?.items.find((w) => w.id === search.hook)
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center justify-between gap-3">
        <p className="text-sm text-ink-2">{t('hooks.about')}</p>
        {add}
      </div>
      {turn.error ? <Problem error={turn.error} /> : null}
      <Card>
        <Region query={list}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title={t('hooks.empty.title')} text={t('hooks.empty.text')}>
                {add}
              </Empty>
            ) : (
              <Table
                label={t('settings.tab.webhooks')}
                head={[t('hooks.col.name'), t('hooks.col.workflow'), t('hooks.col.scheme'), t('hooks.col.last'), t('hooks.col.on')]}
              >
                {items.map((w) => (
                  <tr key={w.id} className="border-b border-line last:border-0">
                    <td className={cellClass}>
                      <Link to="/settings" search={{ tab: 'webhooks', hook: w.id }} className="font-medium break-words hover:underline">
                        {w.name}
                      </Link>
                      {w.has_secret ? null : <span className="block text-xs text-warn">{t('hooks.noSecret')}</span>}
                    </td>
                    <td className={`${cellClass} text-ink-2`}>{names.get(w.workflow_id) ?? w.workflow_id}</td>
                    <td className={`${cellClass} text-ink-2`}>{t(`hooks.scheme.${w.signature.scheme}` as Key)}</td>
                    <td className={`${cellClass} text-ink-2`}>
                      {w.last_delivery ? (
                        <>
                          <Time at={w.last_delivery.at} />
                          <span className="block text-xs text-ink-3">{t(`hooks.outcome.${w.last_delivery.outcome}` as Key)}</span>
                        </>
                      ) : (
                        t('hooks.never')
                      )}
                    </td>
                    <td className={cellClass}>
                      <Switch
                        label={t('hooks.switch', { name: w.name })}
                        on={w.enabled}
                        denied={denied}
                        busy={turn.isPending && turn.variables.id === w.id}
                        onChange={(enabled) => turn.mutate({ id: w.id, enabled })}
                      />
                    </td>
                  </tr>
                ))}
              </Table>
            )
          }
        </Region>
      </Card>
      {making ? <NewWebhook onClose={() => setMaking(false)} /> : null}
      {open ? <WebhookSheet webhook={open} denied={denied} onClose={() => void navigate({ search: { tab: 'webhooks' } })} /> : null}
    </>
  )
}
