import { useMutation, useQueryClient } from '@tanstack/react-query'
import { call } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Problem } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import type { Token } from './tokens.tsx'

export function RevokeToken({ token, onClose }: { token: Token; onClose: () => void }) {
  const queries = useQueryClient()
  const revoke = useMutation({
    mutationFn: () => call('pats.revoke', { id: token.id }),
    onSuccess: async () => {
      onClose()
      toast(t('tokens.revoked.toast', { name: token.display_name }))
      await queries.invalidateQueries({ queryKey: ['tokens'] })
    },
  })
  return (
    <Dialog open onClose={onClose} title={t('tokens.revoke.title', { name: token.display_name })} about={t('tokens.revoke.about')}>
      {revoke.error ? <Problem error={revoke.error} /> : null}
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>{t('action.cancel')}</Button>
        <Button look="danger" busy={revoke.isPending} onClick={() => revoke.mutate()}>
          {t('tokens.revoke')}
        </Button>
      </div>
    </Dialog>
  )
}
