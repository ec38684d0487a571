import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useEffect, useState } from 'react'
import { call } from '../../api.ts'
import { useDenied } from '../../may.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Problem } from '../../ui/region.tsx'
import { SchemaEditor, useSchemaValue } from '../../ui/schema/editor.tsx'
import { beginning, type Schema } from '../../ui/schema/schema.ts'
import { t } from '../../words/index.ts'
import { Binding, useFitting } from './binding.tsx'
import type { Server } from './suits.ts'

const ENVIRONMENT = 'production'

/** One dialog: a name, a connection, and only those settings that must be given. The rest is for the page that comes next. */
export function AddInstance({ server, connection, onClose }: { server: Server; connection?: string | undefined; onClose: () => void }) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const denied = useDenied('project_contributor')
  const fitting = useFitting(server, ENVIRONMENT)
  const [name, setName] = useState(server.title)
  const [picked, setPicked] = useState<string | null | undefined>(connection)
  const [sent, setSent] = useState(false)
  const schema = mustOf(server.config_schema as Schema)
  const config = useSchemaValue(schema, beginning(schema, schema) as Record<string, unknown>)
  const first = fitting.data?.[0]?.id ?? null
  // What fits is taken without being asked for, until somebody chooses.
  useEffect(() => {
    if (picked === undefined && first !== null) setPicked(first)
  }, [picked, first])
  const add = useMutation({
    mutationFn: () =>
      call('instances.create', { slug: server.slug, name: name.trim(), connection_id: picked ?? null, config: config.value }),
    onSuccess: async (made) => {
      await queries.invalidateQueries({ queryKey: ['instances'] })
      await navigate({ to: '/mcp/instances/$id', params: { id: made.id }, search: {} })
    },
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    setSent(true)
    if (config.ready && name.trim() !== '') add.mutate()
  }
  return (
    <Dialog open onClose={onClose} title={t('mcp.add.title', { server: server.title })} about={server.about}>
      <form noValidate onSubmit={submit} className="flex flex-col gap-4">
        {add.error ? <Problem error={add.error} /> : null}
        <Field
          label={t('mcp.col.name')}
          required
          problem={sent && name.trim() === '' ? t('connect.missing', { field: t('mcp.col.name') }) : undefined}
        >
          {(ids) => <Input {...ids} name="name" value={name} onChange={(e) => setName(e.target.value)} autoComplete="off" />}
        </Field>
        <Binding server={server} environment={ENVIRONMENT} value={picked ?? null} disabled={false} onChange={setPicked} />
        {Object.keys(schema.properties ?? {}).length > 0 ? (
          <SchemaEditor schema={schema} held={config} label={t('mcp.settings')} shown={sent} />
        ) : (
          <p className="text-xs text-ink-3">{t('mcp.add.later')}</p>
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button type="submit" look="primary" denied={denied} busy={add.isPending}>
            {t('mcp.add.submit')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

/** The part of a schema that has to be filled in. */
function mustOf(schema: Schema): Schema {
  const required = schema.required ?? []
  return { ...schema, properties: Object.fromEntries(Object.entries(schema.properties ?? {}).filter(([name]) => required.includes(name))) }
}
