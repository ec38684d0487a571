import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'

export function Rename({ connection, onClose }: { connection: Answer<'connections.get'>; onClose: () => void }) {
  const queries = useQueryClient()
  const [name, setName] = useState(connection.name)
  const rename = useMutation({
    mutationFn: () => call('connections.update', { id: connection.id, display_name: name.trim() }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['connections'] })
      onClose()
    },
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (name.trim() !== '') rename.mutate()
  }
  return (
    <Dialog open onClose={onClose} title={t('detail.rename.title', { name: connection.name })}>
      <form noValidate onSubmit={submit} className="flex flex-col gap-4">
        {rename.error ? <Problem error={rename.error} /> : null}
        <Field
          label={t('connect.name')}
          required
          problem={name.trim() === '' ? t('connect.missing', { field: t('connect.name') }) : undefined}
        >
          {(ids) => <Input {...ids} value={name} onChange={(e) => setName(e.target.value)} autoComplete="off" />}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button type="submit" look="primary" busy={rename.isPending} disabled={name.trim() === ''}>
            {t('detail.rename.do')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
