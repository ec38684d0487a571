import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api.ts'
import { liveVersionQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Problem, Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { Changes } from './changes.tsx'
import { changes, type Graph } from './graph.ts'
import type { Studio } from './studio.ts'

export function Publish({ studio, onClose, onProblems }: { studio: Studio; onClose: () => void; onProblems: () => void }) {
  const { workflow, draft, save, errors } = studio
  const queries = useQueryClient()
  const live = useQuery(liveVersionQuery(workflow.id))
  const [note, setNote] = useState('')
  const publish = useMutation({
    mutationFn: async () => {
      if (draft.dirty) await save.mutateAsync(undefined)
      return call('versions.publish', { id: workflow.id, ...(note.trim() ? { changelog: note.trim() } : {}) })
    },
    onSuccess: async (made) => {
      onClose()
      toast(t('publish.done', { n: made.version }))
      await queries.invalidateQueries({ queryKey: ['workflows'] })
    },
  })
  const next = (workflow.latest_version ?? 0) + 1
  return (
    <Dialog open onClose={onClose} title={t('publish.title', { n: next })} about={t('publish.about')} wide>
      <Region query={live} rows={2}>
        {(version) => {
          const list = changes((version?.graph_snapshot as Graph | undefined) ?? null, draft.graph)
          return (
            <form
              className="flex flex-col gap-4"
              onSubmit={(event) => {
                event.preventDefault()
                if (errors === 0) publish.mutate()
              }}
            >
              {publish.error ? <Problem error={publish.error} /> : null}
              <Changes list={list} none={t('publish.same', { n: workflow.latest_version ?? 0 })} />
              <Field label={t('publish.note')} hint={t('publish.note.hint')}>
                {(ids) => (
                  <Input {...ids} autoFocus value={note} maxLength={5000} autoComplete="off" onChange={(e) => setNote(e.target.value)} />
                )}
              </Field>
              {errors > 0 ? (
                <div role="alert" className="flex flex-wrap items-center justify-between gap-2 rounded-md bg-danger-soft p-3">
                  <p>{t('publish.blocked', { n: errors })}</p>
                  <Button size="sm" onClick={onProblems}>
                    {t('publish.see')}
                  </Button>
                </div>
              ) : null}
              <div className="flex justify-end gap-2">
                <Button onClick={onClose}>{t('action.cancel')}</Button>
                <Button type="submit" look="primary" disabled={errors > 0} busy={publish.isPending}>
                  {t('publish.do', { n: next })}
                </Button>
              </div>
            </form>
          )
        }}
      </Region>
    </Dialog>
  )
}
