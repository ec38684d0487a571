import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api.ts'
import { workflowQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input, TextArea } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import type { Studio } from './studio.ts'

export function Rename({ studio, onClose }: { studio: Studio; onClose: () => void }) {
  const { workflow, draft } = studio
  const queries = useQueryClient()
  const [name, setName] = useState(workflow.name)
  const [description, setDescription] = useState(workflow.description ?? '')
  const change = useMutation({
    mutationFn: () =>
      call('workflows.update', {
        id: workflow.id,
        name: name.trim(),
        description: description.trim() || null,
        if_updated_at: draft.base.updatedAt,
      }),
    onSuccess: async (answer) => {
      draft.dispatch({ do: 'touched', updatedAt: answer.updated_at })
      queries.setQueryData(workflowQuery(workflow.id).queryKey, answer)
      onClose()
      await queries.invalidateQueries({ queryKey: ['workflows'], predicate: (q) => q.queryKey[1] !== workflow.id })
    },
  })
  const missing = name.trim() === ''
  return (
    <Dialog open onClose={onClose} title={t('rename.title')}>
      <form
        noValidate
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          if (!missing) change.mutate()
        }}
      >
        {change.error ? <Problem error={change.error} /> : null}
        <Field label={t('workflows.col.name')} required problem={missing ? t('starter.name.missing') : undefined}>
          {(ids) => <Input {...ids} autoFocus autoComplete="off" maxLength={200} value={name} onChange={(e) => setName(e.target.value)} />}
        </Field>
        <Field label={t('rename.description')}>
          {(ids) => (
            <TextArea
              {...ids}
              className="!font-sans"
              rows={3}
              maxLength={2000}
              value={description}
              onChange={(e) => setDescription(e.target.value)}
            />
          )}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button type="submit" look="primary" busy={change.isPending} disabled={missing}>
            {t('rename.do')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
