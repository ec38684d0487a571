/** A sign-in that went on in this tab has come back: what became of it. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { call } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { type Key, t } from '../../words/index.ts'
import { forget, remembered } from './popup.ts'

export function Returned() {
  const queries = useQueryClient()
  const [id, setId] = useState(remembered)
  const attempt = useQuery({
    queryKey: ['oauth-attempts', id],
    queryFn: ({ signal }) => call('oauth.attempt', { id: id as string }, { signal }),
    enabled: id !== null,
  })
  const { data } = attempt
  useEffect(() => {
    if (!data || data.status === 'pending') return
    forget()
    void queries.invalidateQueries({ queryKey: ['connections'] })
  }, [data, queries])
  if (id === null || !data || data.status === 'pending') return null
  return (
    <div
      role="status"
      className={`mb-4 flex flex-wrap items-start justify-between gap-3 rounded-[10px] border p-4 ${data.status === 'done' ? 'border-ok bg-ok-soft' : 'border-danger bg-danger-soft'}`}
    >
      <div className="min-w-0">
        <p className="font-medium">
          {data.status === 'done'
            ? t('signin.returned')
            : t(`ending.${data.kind ?? 'unknown'}` as Key, { provider: t('signin.theProvider') })}
        </p>
        {[data.text, ...data.notes].map((it) =>
          it ? (
            <p key={it} className="break-words text-ink-2">
              {it}
            </p>
          ) : null,
        )}
      </div>
      <Button size="sm" onClick={() => setId(null)}>
        {t('action.close')}
      </Button>
    </div>
  )
}
