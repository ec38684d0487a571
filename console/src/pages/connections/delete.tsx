import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type Answer, call } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Problem } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { type Key, t } from '../../words/index.ts'

export function DeleteConnection(props: { connection: Answer<'connections.get'>; onClose: () => void; onDeleted: () => void }) {
  const { id, name, oauth } = props.connection
  const queries = useQueryClient()
  const remove = useMutation({
    mutationFn: () => call('connections.delete', { id }),
    onSuccess: async (out) => {
      props.onDeleted()
      toast(
        t('detail.deleted', { name }),
        out.revoked_at_provider ? t(`detail.revoked.${out.revoked_at_provider}` as Key) : t('detail.revoked.unsupported'),
      )
      queries.removeQueries({ queryKey: ['connections', id] })
      await queries.invalidateQueries({ queryKey: ['connections'] })
    },
  })
  return (
    <Dialog
      open
      onClose={props.onClose}
      title={t('detail.delete.title', { name })}
      about={t(oauth ? 'detail.delete.textOauth' : 'detail.delete.text')}
    >
      <div className="flex flex-col gap-4">
        {remove.error ? <Problem error={remove.error} /> : null}
        <div className="flex justify-end gap-2">
          <Button onClick={props.onClose}>{t('action.cancel')}</Button>
          <Button look="danger" busy={remove.isPending} onClick={() => remove.mutate()}>
            {t('detail.delete.do')}
          </Button>
        </div>
      </div>
    </Dialog>
  )
}
