/** Takes a connection out of every place that uses it, one by one or for another. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Select } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Problem, Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'

type Profile = Answer<'connections.usage'>['profiles'][number]

export function Unwire(props: { connection: Answer<'connections.get'>; profiles: readonly Profile[]; onClose: () => void }) {
  const { connection: c, profiles } = props
  const queries = useQueryClient()
  const [picked, setPicked] = useState<Readonly<Record<string, string>>>({})
  const others = useQuery({
    queryKey: ['connections', 'like', c.provider],
    queryFn: ({ signal }) => call('connections.list', { provider: c.provider, limit: 200 }, { signal }),
    select: ({ items }) => items.filter((it) => it.id !== c.id),
  })
  const unwire = useMutation({
    mutationFn: async () => {
      // One after the other: where one is refused, those before it are done and are said to be.
      for (const p of profiles)
        await call('profiles.update', { id: p.instance_id, profile_id: p.profile_id, connection_id: picked[p.profile_id] || null })
    },
    onSuccess: () => {
      toast(t('unwire.done', { name: c.name }))
      props.onClose()
    },
    onSettled: () => Promise.all(['connections', 'instances'].map((key) => queries.invalidateQueries({ queryKey: [key] }))),
  })
  const empty = profiles.filter((p) => !picked[p.profile_id]).length
  return (
    <Dialog open onClose={props.onClose} title={t('unwire.title', { name: c.name })} about={t('unwire.about')} wide>
      <Region query={others} rows={2}>
        {(items) => (
          <form
            className="flex flex-col gap-4"
            onSubmit={(e) => {
              e.preventDefault()
              unwire.mutate()
            }}
          >
            {unwire.error ? <Problem error={unwire.error} /> : null}
            {profiles.map((p) => (
              <Field
                key={p.profile_id}
                label={t('detail.used.place', { instance: p.instance_name, profile: p.profile_name, environment: p.environment })}
              >
                {(ids) => (
                  <Select
                    {...ids}
                    value={picked[p.profile_id] ?? ''}
                    onChange={(e) => setPicked((before) => ({ ...before, [p.profile_id]: e.target.value }))}
                  >
                    <option value="">{t('unwire.none')}</option>
                    {items
                      .filter((it) => it.environment === p.environment)
                      .map((it) => (
                        <option key={it.id} value={it.id}>
                          {it.account ? `${it.name} (${it.account.label})` : it.name}
                        </option>
                      ))}
                  </Select>
                )}
              </Field>
            ))}
            {empty > 0 ? <p className="rounded-md bg-warn-soft p-3">{t('unwire.breaks', { n: empty })}</p> : null}
            <div className="flex justify-end gap-2">
              <Button onClick={props.onClose}>{t('action.cancel')}</Button>
              <Button type="submit" look="primary" busy={unwire.isPending}>
                {t('unwire.do', { n: profiles.length })}
              </Button>
            </div>
          </form>
        )}
      </Region>
    </Dialog>
  )
}
