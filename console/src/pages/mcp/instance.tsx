/** One instance: its profiles, what the one in sight is set to, and whether it works. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { useDenied } from '../../may.ts'
import { catalogQuery, googleConfigQuery, instanceQuery, instanceUsageQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { CopyChip, Tabs } from '../../ui/parts.tsx'
import { Card, PageHeader, Problem, Region } from '../../ui/region.tsx'
import { toast, toastWithUndo } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { Returned } from '../connections/returned.tsx'
import { Checks } from './checks.tsx'
import { InstanceDialog } from './instance-dialog.tsx'
import { ProfileEditor } from './profile-editor.tsx'
import { Profiles } from './profiles.tsx'
import type { Server } from './suits.ts'
import { Try } from './try-tool.tsx'
import { UsedBy } from './used-by.tsx'

export type InstanceFacts = Answer<'instances.get'>
export type Profile = InstanceFacts['profiles'][number]
const TABS = ['try', 'checks', 'used'] as const

export function Instance() {
  const { id } = useParams({ from: '/shell/mcp/instances/$id' })
  const instance = useQuery(instanceQuery(id))
  const catalog = useQuery(catalogQuery)
  const usage = useQuery(instanceUsageQuery(id))
  const address = useQuery(googleConfigQuery)
  const denied = useDenied('project_contributor')
  const [dialog, setDialog] = useState<'rename' | 'delete' | null>(null)
  const server = catalog.data?.items.find((s) => s.slug === instance.data?.server)
  const about = instance.data
    ? [
        server?.title ?? instance.data.server,
        t('mcp.tools', { n: server?.tools.length ?? 0 }),
        t('mcp.usedBy', { n: usage.data?.workflows.length ?? 0 }),
      ].join(' · ')
    : ''
  const url = `${address.data ? new URL(address.data.redirect_uri).origin : location.origin}/mcp/instances/${id}`
  return (
    <>
      <PageHeader
        title={instance.data?.name ?? t('mcp.title')}
        about={about}
        action={
          <span className="flex gap-2">
            <Button denied={denied} onClick={() => setDialog('rename')}>
              {t('mcp.rename')}
            </Button>
            <Button look="danger" denied={denied} onClick={() => setDialog('delete')}>
              {t('mcp.delete')}
            </Button>
          </span>
        }
      />
      <p className="-mt-2 mb-4 flex flex-wrap items-center gap-2 text-xs text-ink-3">
        {t('mcp.endpoint')}
        <CopyChip text={url} shown={url} />
      </p>
      <Returned />
      {denied ? <p className="mb-4 text-sm text-ink-2">{denied}</p> : null}
      {instance.error ? <Problem error={instance.error} retry={instance.refetch} /> : null}
      {instance.data && server ? (
        <Panes instance={instance.data} server={server} denied={denied} />
      ) : (
        <Region query={catalog}>{() => null}</Region>
      )}
      {instance.data && dialog ? (
        <InstanceDialog kind={dialog} instance={instance.data} usage={usage.data} onClose={() => setDialog(null)} />
      ) : null}
    </>
  )
}

function Panes({ instance, server, denied }: { instance: InstanceFacts; server: Server; denied: string | null }) {
  const search = useSearch({ from: '/shell/mcp/instances/$id' })
  const navigate = useNavigate({ from: '/mcp/instances/$id' })
  const queries = useQueryClient()
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true })
  const { profiles } = instance
  const shown = profiles.find((p) => p.id === search.profile) ?? profiles.find((p) => p.active) ?? profiles[0]
  const tab = TABS.find((it) => it === search.tab) ?? 'try'
  const [dirty, setDirty] = useState(false)
  const check = useMutation({
    mutationFn: (profile_id: string) => call('instances.validate', { id: instance.id, profile_id }),
    onSettled: () => queries.invalidateQueries({ queryKey: ['connections'] }),
  })
  const activate = useMutation({
    mutationFn: (profile_id: string) => call('profiles.set_active', { id: instance.id, profile_id }),
    onSuccess: async (p) => {
      const before = profiles.find((it) => it.active && it.environment === p.environment)
      await queries.invalidateQueries({ queryKey: ['instances'] })
      const done = t('mcp.profile.nowActive', { profile: p.name, environment: p.environment })
      if (before && before.id !== p.id) toastWithUndo(done, () => activate.mutate(before.id))
      else toast(done)
    },
  })
  if (!shown) return null
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 xl:grid-cols-[190px_minmax(0,1fr)_minmax(0,1.15fr)] lg:grid-cols-[190px_minmax(0,1fr)]">
      <Profiles
        instance={instance}
        server={server}
        shown={shown}
        dirty={dirty}
        denied={denied}
        onPick={(profile) => set({ profile })}
        activate={activate}
      />
      <ProfileEditor key={shown.id} instance={instance} server={server} profile={shown} denied={denied} onDirty={setDirty} />
      <Card className="min-w-0 lg:col-span-2 xl:col-span-1">
        <div className="px-4">
          <Tabs
            label={instance.name}
            active={tab}
            onPick={(picked) => set({ tab: picked })}
            tabs={[
              { id: 'try', label: t('mcp.try') },
              { id: 'checks', label: t('mcp.checks') },
              { id: 'used', label: t('mcp.used') },
            ]}
          />
        </div>
        <div role="tabpanel" aria-label={t(tab === 'try' ? 'mcp.try' : tab === 'checks' ? 'mcp.checks' : 'mcp.used')}>
          {/* What runs is what is saved: said where it is not what is in sight. */}
          {tab !== 'used' && (dirty || !shown.active) ? (
            <p className="border-b border-line bg-warn-soft px-4 py-2 text-xs text-warn">
              {dirty ? t('mcp.runsSaved') : t('mcp.runsTried', { profile: shown.name })}
            </p>
          ) : null}
          {tab === 'try' ? (
            <Try instanceId={instance.id} profile={shown} picked={search.tool} onPick={(tool) => set({ tool })} denied={denied} />
          ) : tab === 'checks' ? (
            <Checks
              instance={instance}
              profile={shown}
              check={check}
              denied={denied}
              onActivate={() => activate.mutate(shown.id)}
              onTry={() => set({ tab: 'try' })}
            />
          ) : (
            <UsedBy id={instance.id} />
          )}
        </div>
      </Card>
    </div>
  )
}
