import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { useDenied } from '../../may.ts'
import { connectionQuery, usageQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Sheet } from '../../ui/overlay.tsx'
import { CopyChip, Tabs, Time } from '../../ui/parts.tsx'
import { ConnectionStatus } from '../../ui/pill.tsx'
import { Problem, Region } from '../../ui/region.tsx'
import { toast, toastWithUndo } from '../../ui/toast.tsx'
import { durationText, type Key, t } from '../../words/index.ts'
import { Activity } from './activity.tsx'
import { askAgain, bySignIn, rotates } from './ask.ts'
import { Burn } from './burn.tsx'
import { Credential } from './credential.tsx'
import { DeleteConnection } from './delete.tsx'
import { Rename } from './rename.tsx'
import { SignIn } from './sign-in.tsx'
import { Unwire } from './unwire.tsx'
import { Used } from './used.tsx'

const TABS = ['used', 'credential', 'activity'] as const
type Connection = Answer<'connections.get'>

export function Detail(props: {
  id: string
  tab: string | undefined
  onTab: (tab: string) => void
  onRotate: (rotation: string) => void
  onClose: () => void
}) {
  const { id } = props
  const connection = useQuery(connectionQuery(id))
  const active = TABS.find((tab) => tab === props.tab) ?? 'used'
  const c = connection.data
  return (
    <Sheet
      open
      onClose={props.onClose}
      title={c?.name ?? t('detail.title')}
      about={
        c ? (
          <span className="flex flex-wrap items-center gap-x-2 gap-y-1 pt-1">
            <ConnectionStatus status={c.status} why={c.status_text} ends={c.expires_at} />
            <span className="break-all">{[c.provider, c.account?.label, c.environment].filter(Boolean).join(' · ')}</span>
            <CopyChip text={c.id} />
          </span>
        ) : null
      }
    >
      <Region query={connection}>
        {(one) => (
          <div className="flex flex-col gap-4">
            {one.status_text ? (
              <p className="text-ink-2">
                {one.status_text} <span className="text-ink-3">{t('detail.since')} </span>
                <span className="text-ink-3">
                  <Time at={one.status_since} />
                </span>
              </p>
            ) : null}
            {one.warnings.length > 0 ? (
              <ul className="rounded-md bg-warn-soft p-3">
                {one.warnings.map((w) => (
                  <li key={w} className="break-words">
                    {w}
                  </li>
                ))}
              </ul>
            ) : null}
            {one.rotation ? (
              <div className="flex flex-wrap items-center gap-3 rounded-md bg-accent-soft p-3">
                <p className="grow">{t('detail.rotating', { by: one.rotation.by, state: t(`rotation.${one.rotation.state}` as Key) })}</p>
                <Button size="sm" onClick={() => props.onRotate(one.rotation?.rotation_id ?? '')}>
                  {t('detail.rotating.go')}
                </Button>
              </div>
            ) : null}
            <Acts connection={one} onGone={props.onClose} onTab={props.onTab} onRotate={() => props.onRotate('new')} />
            <Tabs
              label={one.name}
              active={active}
              onPick={props.onTab}
              tabs={[
                { id: 'used', label: t('detail.used') },
                { id: 'credential', label: t('detail.credential') },
                { id: 'activity', label: t('detail.activity') },
              ]}
            />
            <div role="tabpanel" aria-label={t(`detail.${active}`)}>
              {active === 'used' ? (
                <Used connection={one} />
              ) : active === 'credential' ? (
                <Credential connection={one} />
              ) : (
                <Activity id={id} />
              )}
            </div>
          </div>
        )}
      </Region>
    </Sheet>
  )
}

function Acts(props: { connection: Connection; onGone: () => void; onTab: (tab: string) => void; onRotate: () => void }) {
  const { connection: c, onGone, onTab } = props
  const queries = useQueryClient()
  const denied = useDenied('project_contributor')
  const usage = useQuery(usageQuery(c.id))
  const [open, setOpen] = useState<'delete' | 'rename' | 'unwire' | 'burn' | null>(null)
  const again = () => queries.invalidateQueries({ queryKey: ['connections'] })
  const test = useMutation({ mutationFn: () => call('connections.validate', { id: c.id }), onSettled: again })
  const enable = useMutation({
    mutationFn: (disabled: boolean) => call('connections.update', { id: c.id, disabled }),
    onSuccess: (_, disabled) => {
      void again()
      if (disabled) toastWithUndo(t('detail.isOff', { name: c.name }), () => enable.mutate(false))
      else toast(t('detail.isOn', { name: c.name }))
    },
  })
  const profiles = usage.data?.profiles ?? []
  const wired = profiles.length > 0
  const off = c.status === 'disabled'
  return (
    <>
      <div className="flex flex-wrap items-start gap-2">
        {bySignIn(c) ? (
          <SignIn
            label={t('connections.reconnect')}
            provider={c.provider}
            look={c.status === 'reconnect' ? 'primary' : 'plain'}
            inline
            denied={denied}
            ask={askAgain(c.id)}
            onDone={() => toast(t('signin.done', { name: c.name }))}
          />
        ) : c.status === 'reconnect' ? (
          <Button look="primary" denied={denied} onClick={() => onTab('credential')}>
            {t('connections.newKey')}
          </Button>
        ) : null}
        {rotates(c) && !c.rotation ? (
          <Button denied={denied} onClick={props.onRotate}>
            {t('detail.rotate')}
          </Button>
        ) : null}
        <Button denied={denied} onClick={() => test.mutate()} busy={test.isPending}>
          {t('detail.test')}
        </Button>
        <Button denied={denied} onClick={() => setOpen('rename')}>
          {t('detail.rename')}
        </Button>
        <Button denied={denied} onClick={() => enable.mutate(!off)} busy={enable.isPending}>
          {t(off ? 'detail.turnOn' : 'detail.turnOff')}
        </Button>
        {c.status_reason === 'burned' ? null : (
          <Button look="danger" denied={denied} onClick={() => setOpen('burn')}>
            {t('detail.burn')}
          </Button>
        )}
        <Button look="danger" denied={denied} disabled={wired || !usage.data} onClick={() => setOpen('delete')}>
          {t('detail.delete')}
        </Button>
      </div>
      {wired && !denied ? (
        <p className="text-ink-2">
          {t('detail.wired', { n: new Set(profiles.map((p) => p.instance_id)).size })}{' '}
          <button type="button" className="text-accent underline hover:no-underline" onClick={() => setOpen('unwire')}>
            {t('detail.unwire')}
          </button>
        </p>
      ) : null}
      <div aria-live="polite" className="empty:hidden">
        {test.error || enable.error ? <Problem error={test.error ?? enable.error} /> : null}
        {test.data ? (
          <div>
            <p className={`font-medium break-words ${test.data.ok ? 'text-ok' : 'text-danger'}`}>
              {test.data.ok
                ? t('detail.test.ok', { account: test.data.account?.label ?? c.name, ms: durationText(test.data.latency_ms) })
                : t('detail.test.bad', { problem: test.data.problem?.message ?? '' })}
            </p>
            {test.data.problem?.hint ? <p className="break-words text-ink-2">{test.data.problem.hint}</p> : null}
          </div>
        ) : null}
      </div>
      {open === 'delete' ? <DeleteConnection connection={c} onClose={() => setOpen(null)} onDeleted={onGone} /> : null}
      {open === 'burn' ? <Burn connection={c} onClose={() => setOpen(null)} /> : null}
      {open === 'rename' ? <Rename connection={c} onClose={() => setOpen(null)} /> : null}
      {open === 'unwire' ? <Unwire connection={c} profiles={profiles} onClose={() => setOpen(null)} /> : null}
    </>
  )
}
