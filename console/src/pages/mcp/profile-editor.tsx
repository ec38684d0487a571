import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useBlocker } from '@tanstack/react-router'
import { type KeyboardEvent, useEffect, useState } from 'react'
import { call, Refusal } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Card, Problem } from '../../ui/region.tsx'
import { SchemaEditor, useSchemaValue } from '../../ui/schema/editor.tsx'
import type { Schema } from '../../ui/schema/schema.ts'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { Binding } from './binding.tsx'
import type { InstanceFacts, Profile } from './instance.tsx'
import type { Server } from './suits.ts'

/** Connection and settings of one profile. Nothing is in use before it is saved. */
export function ProfileEditor(props: {
  instance: InstanceFacts
  server: Server
  profile: Profile
  denied: string | null
  onDirty: (dirty: boolean) => void
}) {
  const { instance, server, profile, denied, onDirty } = props
  const queries = useQueryClient()
  const schema = server.config_schema as Schema
  const config = useSchemaValue(schema, profile.config)
  const [name, setName] = useState(profile.name)
  const [connection, setConnection] = useState(profile.connection_id)
  const changes = [
    name !== profile.name,
    connection !== profile.connection_id,
    config.text !== null ? config.bad !== null || !sameJson(config.value, profile.config) : !sameJson(config.value, profile.config),
  ].filter(Boolean).length
  const dirty = changes > 0
  useEffect(() => {
    onDirty(dirty)
    return () => onDirty(false)
  }, [dirty, onDirty])
  const leave = useBlocker({ shouldBlockFn: () => dirty, enableBeforeUnload: () => dirty, withResolver: true })
  const save = useMutation({
    mutationFn: () =>
      call('profiles.update', {
        id: instance.id,
        profile_id: profile.id,
        ...(name === profile.name ? {} : { name: name.trim() }),
        ...(connection === profile.connection_id ? {} : { connection_id: connection }),
        ...(sameJson(config.value, profile.config) ? {} : { config: config.value }),
      }),
    onSuccess: async (saved) => {
      config.set(saved.config)
      await Promise.all(['instances', 'connections'].map((key) => queries.invalidateQueries({ queryKey: [key] })))
      toast(t('mcp.profile.saved', { profile: saved.name }))
    },
  })
  const discard = () => {
    setName(profile.name)
    setConnection(profile.connection_id)
    config.set(profile.config)
    save.reset()
  }
  const mayNot = denied !== null || !dirty || !config.ready || name.trim() === ''
  const onKey = (event: KeyboardEvent) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== 's') return
    event.preventDefault()
    if (!mayNot) save.mutate()
  }
  const needs = !server.auth_kinds.includes('none')
  const said = save.error instanceof Refusal ? save.error.fields : new Map<string, string>()
  return (
    <Card className="min-w-0">
      <form
        noValidate
        onKeyDown={onKey}
        onSubmit={(e) => {
          e.preventDefault()
          if (!mayNot) save.mutate()
        }}
      >
        <div className="flex flex-col gap-5 p-4">
          {save.error ? <Problem error={save.error} /> : null}
          {needs && connection === null ? (
            <p role="status" className="rounded-md bg-warn-soft p-3 text-sm text-warn">
              {t('mcp.profile.unbound')}
            </p>
          ) : null}
          <Field label={t('mcp.profile.name')} required problem={said.get('name')}>
            {(ids) => (
              <Input {...ids} value={name} disabled={denied !== null} onChange={(e) => setName(e.target.value)} autoComplete="off" />
            )}
          </Field>
          <Binding
            server={server}
            environment={profile.environment}
            value={connection}
            disabled={denied !== null}
            onChange={setConnection}
          />
          <SchemaEditor schema={schema} held={config} label={t('mcp.settings')} disabled={denied !== null} />
        </div>
        <div className="sticky bottom-0 flex flex-wrap items-center justify-end gap-2 rounded-b-[10px] border-t border-line bg-surface px-4 py-3">
          <p role="status" className="me-auto text-xs text-ink-3">
            {dirty ? t('mcp.profile.unsaved', { n: changes }) : ''}
          </p>
          <Button size="sm" look="quiet" disabled={!dirty} onClick={discard}>
            {t('mcp.profile.discard')}
          </Button>
          <Button
            size="sm"
            type="submit"
            look="primary"
            aria-keyshortcuts="Control+S"
            denied={denied}
            busy={save.isPending}
            disabled={mayNot}
          >
            {t('mcp.profile.save')}
          </Button>
        </div>
      </form>
      {leave.status === 'blocked' ? (
        <Dialog open onClose={leave.reset} title={t('mcp.profile.leave')} about={t('mcp.profile.leave.about')}>
          <div className="flex justify-end gap-2">
            <Button onClick={leave.reset}>{t('mcp.profile.stay')}</Button>
            <Button look="danger" onClick={leave.proceed}>
              {t('mcp.profile.discard')}
            </Button>
          </div>
        </Dialog>
      ) : null}
    </Card>
  )
}

/** The same, whatever the order of the names. */
function sameJson(a: unknown, b: unknown): boolean {
  const sorted = (_: string, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1)))
      : value
  return JSON.stringify(a, sorted) === JSON.stringify(b, sorted)
}
