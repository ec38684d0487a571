import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { call } from '../../api.ts'
import { deliveriesQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, Sheet } from '../../ui/overlay.tsx'
import { Time } from '../../ui/parts.tsx'
import { Problem, Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { type Key, t } from '../../words/index.ts'
import { Shown } from './new-webhook.tsx'
import type { Webhook } from './webhooks.tsx'

/** Long enough to change a sender's settings, as the server has it. */
const OVERLAP_MINUTES = 60

/** The whole of one webhook: its address, its secret's age, what came. */
export function WebhookSheet({ webhook, denied, onClose }: { webhook: Webhook; denied: string | null; onClose: () => void }) {
  const queries = useQueryClient()
  const deliveries = useQuery(deliveriesQuery(webhook.id))
  const [deleting, setDeleting] = useState(false)
  const rotate = useMutation({
    mutationFn: () => call('webhooks.rotate_secret', { id: webhook.id, overlap_minutes: OVERLAP_MINUTES }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['webhooks'] }),
    gcTime: 0,
  })
  const remove = useMutation({
    mutationFn: () => call('webhooks.delete', { id: webhook.id }),
    onSuccess: async () => {
      toast(t('hooks.deleted', { name: webhook.name }))
      onClose()
      await queries.invalidateQueries({ queryKey: ['webhooks'] })
    },
  })
  return (
    <Sheet open onClose={onClose} title={webhook.name} about={t(`hooks.scheme.${webhook.signature.scheme}` as Key)}>
      <div className="flex flex-col gap-5">
        <Shown label={t('hooks.url')} value={webhook.ingress_url} />
        <section className="flex flex-col items-start gap-2">
          <h3 className="text-sm font-medium">{t('hooks.secret')}</h3>
          {rotate.data?.signing_secret ? <Shown label={t('hooks.made.about')} value={rotate.data.signing_secret} /> : null}
          {webhook.previous_secret_until ? (
            <p className="text-sm text-ink-2">
              {t('hooks.previous')} <Time at={webhook.previous_secret_until} />
            </p>
          ) : null}
          <p className="text-xs text-ink-3">{t('hooks.rotate.about', { n: OVERLAP_MINUTES })}</p>
          <Button size="sm" disabled={denied !== null} title={denied ?? undefined} busy={rotate.isPending} onClick={() => rotate.mutate()}>
            {t('hooks.rotate')}
          </Button>
          {rotate.error ? <Problem error={rotate.error} /> : null}
        </section>
        <section>
          <h3 className="mb-1 text-sm font-medium">{t('hooks.deliveries')}</h3>
          <Region query={deliveries} rows={3}>
            {({ items }) =>
              items.length === 0 ? (
                <p className="text-sm text-ink-2">{t('hooks.deliveries.none')}</p>
              ) : (
                <ul>
                  {items.map((d) => (
                    <li key={d.id} className="flex flex-wrap items-center gap-x-3 border-b border-line py-2 text-sm last:border-0">
                      <span className={`flex-1 ${d.outcome === 'refused' ? 'text-danger' : ''}`}>
                        {t(`hooks.outcome.${d.outcome}`)}
                        {d.count > 1 ? ` · ${t('hooks.times', { n: d.count })}` : ''}
                        {d.code ? <span className="block font-mono text-xs">{d.code}</span> : null}
                      </span>
                      {d.run_id ? (
                        <Link
                          to="/runs/$workflow/$id"
                          params={{ workflow: webhook.workflow_id, id: d.run_id }}
                          search={{ tab: undefined, step: undefined }}
                          className="text-accent underline"
                        >
                          {t('hooks.openRun')}
                        </Link>
                      ) : null}
                      <span className="text-xs text-ink-3">
                        <Time at={d.last_at} />
                      </span>
                    </li>
                  ))}
                </ul>
              )
            }
          </Region>
        </section>
        <div className="border-t border-line pt-4">
          <Button look="danger" disabled={denied !== null} title={denied ?? undefined} onClick={() => setDeleting(true)}>
            {t('hooks.delete')}
          </Button>
        </div>
      </div>
      <Dialog
        open={deleting}
        onClose={() => setDeleting(false)}
        title={t('hooks.delete.title', { name: webhook.name })}
        about={t('hooks.delete.about')}
      >
        {remove.error ? <Problem error={remove.error} /> : null}
        <div className="flex justify-end gap-2">
          <Button onClick={() => setDeleting(false)}>{t('action.cancel')}</Button>
          <Button look="danger" busy={remove.isPending} onClick={() => remove.mutate()}>
            {t('hooks.delete')}
          </Button>
        </div>
      </Dialog>
    </Sheet>
  )
}
