import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Problem } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import type { InstanceFacts } from './instance.tsx'

interface Props {
  instance: InstanceFacts
  usage: Answer<'instances.usage'> | undefined
  onClose: () => void
}
export const InstanceDialog = ({ kind, ...props }: Props & { kind: 'rename' | 'delete' }) =>
  kind === 'rename' ? <Rename {...props} /> : <Delete {...props} />

function Rename({ instance, onClose }: Props) {
  const queries = useQueryClient()
  const [name, setName] = useState(instance.name)
  const rename = useMutation({
    mutationFn: () => call('instances.update', { id: instance.id, name: name.trim() }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['instances'] })
      onClose()
    },
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (name.trim() !== '') rename.mutate()
  }
  return (
    <Dialog open onClose={onClose} title={t('mcp.renameTitle', { name: instance.name })}>
      <form noValidate onSubmit={submit} className="flex flex-col gap-4">
        {rename.error ? <Problem error={rename.error} /> : null}
        <Field label={t('mcp.col.name')} required>
          {(ids) => <Input {...ids} value={name} onChange={(e) => setName(e.target.value)} autoComplete="off" />}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button type="submit" look="primary" busy={rename.isPending} disabled={name.trim() === ''}>
            {t('mcp.rename.do')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function Delete({ instance, usage, onClose }: Props) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const workflows = usage?.workflows ?? []
  const remove = useMutation({
    mutationFn: () => call('instances.delete', { id: instance.id }),
    onSuccess: async () => {
      toast(t('mcp.deleted', { name: instance.name }))
      await navigate({ to: '/mcp', search: {} })
      queries.removeQueries({ queryKey: ['instances', instance.id] })
      await queries.invalidateQueries({ queryKey: ['instances'] })
      await queries.invalidateQueries({ queryKey: ['connections'] })
    },
  })
  return (
    <Dialog open onClose={onClose} title={t('mcp.deleteTitle', { name: instance.name })} about={t('mcp.delete.about')}>
      <div className="flex flex-col gap-4">
        {remove.error ? <Problem error={remove.error} /> : null}
        {workflows.length > 0 ? (
          <div>
            <p className="font-medium">{t('mcp.delete.used', { n: workflows.length })}</p>
            <ul className="list-disc ps-5 text-ink-2">
              {workflows.map((w) => (
                <li key={w.workflow_id}>{w.name}</li>
              ))}
            </ul>
          </div>
        ) : null}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button look="danger" busy={remove.isPending} disabled={workflows.length > 0 || !usage} onClick={() => remove.mutate()}>
            {t('mcp.delete.do')}
          </Button>
        </div>
      </div>
    </Dialog>
  )
}
