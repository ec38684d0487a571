import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { Button, buttonClass, type Look } from '../../ui/button.tsx'
import { Problem } from '../../ui/region.tsx'
import { type Key, t } from '../../words/index.ts'
import { type Ended, ended, type Link, openWindow } from './popup.ts'

/** A button that sends a person to the provider's page, and says how it went. */
export function SignIn(props: {
  label: string
  look?: Look
  size?: 'md' | 'sm'
  ask: () => Promise<Link>
  onDone: (ended: Ended) => void
}) {
  const queries = useQueryClient()
  const [blocked, setBlocked] = useState<string | null>(null)
  const over = useRef(new AbortController())
  useEffect(() => {
    const mine = new AbortController()
    over.current = mine
    return () => mine.abort()
  }, [])
  const go = useMutation({
    mutationFn: async (window: Window | null) => {
      setBlocked(null)
      const link = await props.ask().catch((error: unknown) => {
        window?.close()
        throw error
      })
      if (window) window.location.href = link.authorization_url
      else setBlocked(link.authorization_url)
      return ended(link.attempt_id, over.current.signal)
    },
    onSuccess: async (at) => {
      setBlocked(null)
      await queries.invalidateQueries({ queryKey: ['connections'] })
      if (at.status === 'done') props.onDone(at)
    },
  })
  const failed = go.data?.status === 'failed' ? go.data : null
  return (
    <div className="flex flex-col items-start gap-2">
      <Button
        look={props.look ?? 'primary'}
        size={props.size ?? 'md'}
        busy={go.isPending && !blocked}
        onClick={() => go.mutate(openWindow())}
      >
        {props.label}
      </Button>
      <div aria-live="polite" className="flex flex-col items-start gap-2 text-sm">
        {blocked ? (
          <>
            <p>{t('connect.popup.blocked')}</p>
            <a href={blocked} target="_blank" rel="noopener opener" className={buttonClass()}>
              {t('connect.popup.open')}
            </a>
          </>
        ) : null}
        {go.isPending ? <p className="text-ink-2">{t('connect.popup.waiting')}</p> : null}
        {failed ? <p className="text-danger">{t(failed.kind === null ? 'ending.unknown' : (`ending.${failed.kind}` as Key))}</p> : null}
        {go.error ? <Problem error={go.error} /> : null}
      </div>
    </div>
  )
}
