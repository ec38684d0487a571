/** Named configurations of an instance. In each environment exactly one serves. */
import { useMutation, type UseMutationResult, useQuery, useQueryClient } from '@tanstack/react-query'
import { Circle, CircleCheck, Plus } from 'lucide-react'
import { type FormEvent, useState } from 'react'
import { call } from '../../api.ts'
import { instanceUsageQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Card, Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import type { InstanceFacts, Profile } from './instance.tsx'
import type { Server } from './suits.ts'

interface Props {
  instance: InstanceFacts
  server: Server
  shown: Profile
  dirty: boolean
  denied: string | null
  onPick: (profile: string) => void
  // biome-ignore lint/suspicious/noExplicitAny: what it answers is of no interest here
  activate: UseMutationResult<any, Error, string>
}

export function Profiles(props: Props) {
  const { instance, shown, denied } = props
  const [dialog, setDialog] = useState<'new' | 'duplicate' | 'activate' | null>(null)
  const environments = [...new Set(instance.profiles.map((p) => p.environment))].sort()
  return (
    <Card className="p-2">
      <h2 className="px-2 pt-1 pb-2 text-xs font-medium text-ink-3">{t('mcp.profiles')}</h2>
      {environments.map((environment) => (
        <div key={environment} className="pb-2">
          <h3 className="px-2 text-xs text-ink-3">{environment}</h3>
          <ul>
            {instance.profiles
              .filter((p) => p.environment === environment)
              .map((p) => (
                <li key={p.id}>
                  <button
                    type="button"
                    aria-current={p.id === shown.id || undefined}
                    onClick={() => props.onPick(p.id)}
                    className="flex min-h-8 w-full items-center gap-2 rounded-md px-2 text-start text-sm hover:bg-surface-2 aria-current:bg-surface-3 aria-current:font-medium"
                  >
                    {p.active ? (
                      <CircleCheck size={14} aria-hidden className="shrink-0 text-ok" />
                    ) : (
                      <Circle size={14} aria-hidden className="shrink-0 text-ink-3" />
                    )}
                    <span className="min-w-0 flex-1 truncate">{p.name}</span>
                    {p.active ? <span className="text-xs font-normal text-ok">{t('mcp.profile.active')}</span> : null}
                  </button>
                </li>
              ))}
          </ul>
        </div>
      ))}
      <div className="flex flex-col items-start gap-1 border-t border-line pt-2">
        {shown.active ? null : (
          <Button size="sm" denied={denied} disabled={props.dirty} onClick={() => setDialog('activate')}>
            {t('mcp.profile.activate')}
          </Button>
        )}
        <Button size="sm" look="quiet" denied={denied} onClick={() => setDialog('duplicate')}>
          {t('mcp.profile.duplicate')}
        </Button>
        <Button size="sm" look="quiet" denied={denied} onClick={() => setDialog('new')}>
          <Plus size={14} aria-hidden />
          {t('mcp.profile.new')}
        </Button>
      </div>
      {dialog === 'activate' ? <MakeActive {...props} onClose={() => setDialog(null)} /> : null}
      {dialog === 'new' || dialog === 'duplicate' ? (
        <NewProfile {...props} from={dialog === 'duplicate' ? shown : null} onClose={() => setDialog(null)} />
      ) : null}
    </Card>
  )
}

function NewProfile({ instance, server, from, onPick, onClose }: Props & { from: Profile | null; onClose: () => void }) {
  const queries = useQueryClient()
  const [name, setName] = useState(from ? t('mcp.profile.copyOf', { name: from.name }) : '')
  const [environment, setEnvironment] = useState(from?.environment ?? 'production')
  // A server that cannot do without some settings gets those of the profile that serves.
  const base = from ?? (Array.isArray(server.config_schema.required) ? instance.profiles.find((p) => p.active) : undefined)
  const create = useMutation({
    mutationFn: () =>
      call('profiles.create', {
        id: instance.id,
        name: name.trim(),
        environment,
        // A connection belongs to one environment.
        connection_id: from && from.environment === environment ? from.connection_id : null,
        ...(base ? { config: base.config } : {}),
      }),
    onSuccess: async (made) => {
      await queries.invalidateQueries({ queryKey: ['instances'] })
      onPick(made.id)
      onClose()
    },
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (name.trim() !== '') create.mutate()
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title={from ? t('mcp.profile.duplicateTitle', { name: from.name }) : t('mcp.profile.new')}
      about={t('mcp.profile.new.about')}
    >
      <form noValidate onSubmit={submit} className="flex flex-col gap-4">
        {create.error ? <Problem error={create.error} /> : null}
        <Field label={t('mcp.col.name')} required>
          {(ids) => <Input {...ids} value={name} onChange={(e) => setName(e.target.value)} autoComplete="off" />}
        </Field>
        <Field label={t('connect.environment')} required hint={t('mcp.profile.environment.hint')}>
          {(ids) => <Input {...ids} value={environment} onChange={(e) => setEnvironment(e.target.value.trim())} autoComplete="off" />}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button type="submit" look="primary" busy={create.isPending} disabled={name.trim() === ''}>
            {t('mcp.profile.create')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

/** What differs from what serves now, and what that touches. */
function MakeActive({ instance, shown, activate, onClose }: Props & { onClose: () => void }) {
  const usage = useQuery(instanceUsageQuery(instance.id))
  const serving = instance.profiles.find((p) => p.active && p.environment === shown.environment)
  const nameOf = (p: Profile | undefined) => p?.connection?.name ?? t('mcp.add.none')
  const keys = [...new Set([...Object.keys(serving?.config ?? {}), ...Object.keys(shown.config)])]
  const text = (value: unknown) => (value === undefined ? t('schema.unset') : typeof value === 'string' ? value : JSON.stringify(value))
  const changes = [
    ...(serving?.connection_id === shown.connection_id ? [] : [[t('mcp.add.connection'), nameOf(serving), nameOf(shown)]]),
    ...keys
      .filter((k) => JSON.stringify(serving?.config[k]) !== JSON.stringify(shown.config[k]))
      .map((k) => [k, text(serving?.config[k]), text(shown.config[k])]),
  ]
  const { workflows = [], active_runs = [] } = usage.data ?? {}
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={t('mcp.profile.activateTitle', { profile: shown.name })}
      about={
        serving
          ? t('mcp.profile.instead', { profile: serving.name, environment: shown.environment })
          : t('mcp.profile.first', { environment: shown.environment })
      }
    >
      <div className="flex flex-col gap-4">
        {activate.error ? <Problem error={activate.error} /> : null}
        {changes.length === 0 ? (
          <p className="text-ink-2">{t('mcp.profile.same')}</p>
        ) : (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no mouse must be able to scroll it
          <section tabIndex={0} aria-label={t('mcp.profile.changes')} className="overflow-x-auto rounded-md border border-line">
            <table className="w-full text-sm">
              <thead>
                <tr className="border-b border-line bg-surface-2 text-xs text-ink-2">
                  {[t('mcp.profile.setting'), t('mcp.profile.now'), t('mcp.profile.then')].map((head) => (
                    <th key={head} scope="col" className="h-8 px-3 text-start font-medium">
                      {head}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {changes.map(([what, now, then]) => (
                  <tr key={what} className="border-b border-line last:border-0">
                    <th scope="row" className="px-3 py-1.5 text-start font-medium">
                      {what}
                    </th>
                    <td className="px-3 py-1.5 break-all text-danger">{now}</td>
                    <td className="px-3 py-1.5 break-all text-ok">{then}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
        )}
        <p className="text-ink-2">
          {t('mcp.profile.touches', { n: workflows.length })}{' '}
          {active_runs.length > 0 ? t('mcp.profile.touchesRuns', { n: active_runs.length }) : null}
        </p>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button look="primary" busy={activate.isPending} onClick={() => activate.mutate(shown.id, { onSuccess: onClose })}>
            {t('mcp.profile.activate')}
          </Button>
        </div>
      </div>
    </Dialog>
  )
}
