import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { call } from '../../api.ts'
import { activityQuery, connectionQuery, usageQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Sheet } from '../../ui/overlay.tsx'
import { Tabs, Time } from '../../ui/parts.tsx'
import { ConnectionStatus } from '../../ui/pill.tsx'
import { Problem, Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { durationText, t } from '../../words/index.ts'
import { bySignIn } from './banner.tsx'
import { Credential } from './credential.tsx'
import { DeleteConnection } from './delete.tsx'
import { SignIn } from './sign-in.tsx'

const TABS = ['used', 'credential', 'activity'] as const

export function Detail(props: { id: string; tab: string | undefined; onTab: (tab: string) => void; onClose: () => void }) {
  const { id } = props
  const queries = useQueryClient()
  const connection = useQuery(connectionQuery(id))
  const [deleting, setDeleting] = useState(false)
  const active = TABS.find((tab) => tab === props.tab) ?? 'used'
  const test = useMutation({
    mutationFn: () => call('connections.validate', { id }),
    onSettled: () => queries.invalidateQueries({ queryKey: ['connections'] }),
  })
  const c = connection.data
  return (
    <Sheet
      open
      onClose={props.onClose}
      title={c?.name ?? t('detail.title')}
      about={
        c ? (
          <span className="flex flex-wrap items-center gap-2 pt-1">
            <ConnectionStatus status={c.status} />
            <span>{c.account?.label ?? c.provider}</span>
          </span>
        ) : null
      }
    >
      <Region query={connection}>
        {(one) => (
          <div className="flex flex-col gap-4">
            {one.status_text ? (
              <p className="text-ink-2">
                {one.status_text} <span className="text-ink-3">{t('detail.since', { when: '' })}</span>
                <Time at={one.status_since} />
              </p>
            ) : null}
            <div className="flex flex-wrap items-start gap-2">
              {bySignIn(one) ? (
                <SignIn
                  label={t('connections.reconnect')}
                  look={one.status === 'reconnect' ? 'primary' : 'plain'}
                  ask={() => call('connections.reconnect', { id })}
                  onDone={() => toast(t('connect.popup.done', { name: one.name }))}
                />
              ) : null}
              <Button onClick={() => test.mutate()} busy={test.isPending}>
                {t('detail.test')}
              </Button>
              <Button look="danger" onClick={() => setDeleting(true)}>
                {t('detail.delete')}
              </Button>
            </div>
            <div aria-live="polite">
              {test.error ? <Problem error={test.error} /> : null}
              {test.data ? (
                <p className={test.data.ok ? 'text-ok' : 'text-danger'}>
                  {test.data.ok
                    ? t('detail.test.ok', { account: test.data.account?.label ?? one.name, ms: durationText(test.data.latency_ms ?? 0) })
                    : t('detail.test.bad', { problem: test.data.problem?.message ?? '' })}
                </p>
              ) : null}
            </div>
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
            {active === 'used' ? <Used id={id} /> : active === 'credential' ? <Credential connection={one} /> : <Activity id={id} />}
            {deleting ? <DeleteConnection connection={one} onClose={() => setDeleting(false)} onDeleted={props.onClose} /> : null}
          </div>
        )}
      </Region>
    </Sheet>
  )
}

function Used({ id }: { id: string }) {
  return (
    <Region query={useQuery(usageQuery(id))} rows={2}>
      {({ profiles, workflows }) =>
        profiles.length === 0 ? (
          <p className="text-ink-2">{t('detail.used.none')}</p>
        ) : (
          <ul className="flex flex-col gap-2">
            {profiles.map((p) => (
              <li key={`${p.instance_id} ${p.profile_id}`}>
                <Link
                  to="/mcp/instances/$id"
                  params={{ id: p.instance_id }}
                  search={{ tool: undefined }}
                  className="font-medium text-accent hover:underline"
                >
                  {p.instance_name}
                </Link>
                <span className="block text-xs text-ink-3">
                  {t('detail.used.profile', { profile: p.profile_name, environment: p.environment })}
                </span>
              </li>
            ))}
            {workflows.map((w) => (
              <li key={w.workflow_id}>
                <span className="font-medium">{w.name}</span>
                <span className="block text-xs text-ink-3">{w.steps.join(', ')}</span>
              </li>
            ))}
          </ul>
        )
      }
    </Region>
  )
}

function Activity({ id }: { id: string }) {
  return (
    <Region query={useQuery(activityQuery(id))} rows={4}>
      {({ items }) => (
        <ol className="flex flex-col gap-2">
          {items.map((e) => (
            <li key={e.id} className="flex justify-between gap-4">
              <span>{e.event_type.replaceAll('_', ' ')}</span>
              <span className="text-ink-3">
                <Time at={e.at} />
              </span>
            </li>
          ))}
        </ol>
      )}
    </Region>
  )
}
