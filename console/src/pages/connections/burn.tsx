import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { whatIfQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Problem, Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { type Key, t } from '../../words/index.ts'

/** What stops is said before it is asked for. */
export function Burn({ connection, onClose }: { connection: Answer<'connections.get'>; onClose: () => void }) {
  const { id, name } = connection
  const queries = useQueryClient()
  const [reason, setReason] = useState('')
  const usage = useQuery(whatIfQuery(id, 'revoked'))
  const burn = useMutation({
    mutationFn: () => call('connections.burn', { id, reason: reason.trim() }),
    onSuccess: async (out) => {
      toast(
        t('detail.burned', { name }),
        out.revoked_at_provider ? t(`detail.revoked.${out.revoked_at_provider}` as Key) : t('detail.revoked.unsupported'),
      )
      onClose()
      await queries.invalidateQueries({ queryKey: ['connections'] })
    },
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (reason.trim().length >= 3) burn.mutate()
  }
  return (
    <Dialog open onClose={onClose} title={t('detail.burn.title', { name })} about={t('detail.burn.text')}>
      <form noValidate onSubmit={submit} className="flex flex-col gap-4">
        {burn.error ? <Problem error={burn.error} /> : null}
        <Region query={usage} rows={1}>
          {(it) => {
            const runs = it.active_runs.filter((r) => r.steps.length > 0).length
            const blocked = it.workflows.filter((w) => w.published_version !== null).length
            return (
              <ul className="flex list-disc flex-col gap-1 ps-5">
                {runs > 0 ? <li>{t('detail.burn.stops', { n: runs })}</li> : null}
                {blocked > 0 ? <li>{t('detail.burn.blocks', { n: blocked })}</li> : null}
                {runs + blocked === 0 ? <li>{t('detail.burn.nothing')}</li> : null}
              </ul>
            )
          }}
        </Region>
        <Field label={t('detail.burn.reason')} required hint={t('detail.burn.reasonHint')}>
          {(ids) => <Input {...ids} value={reason} maxLength={300} onChange={(e) => setReason(e.target.value)} autoComplete="off" />}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button type="submit" look="danger" busy={burn.isPending} disabled={reason.trim().length < 3}>
            {t('detail.burn.do')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
