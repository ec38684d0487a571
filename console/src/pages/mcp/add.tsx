import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { connectionsQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input, Select, TextArea } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { jsonProblem } from './json.ts'

type Server = Answer<'mcp.catalog'>['items'][number]

/** Whether a connection is of the kind that this server takes. */
const suits = (server: Server, c: Answer<'connections.get'>) =>
  c.provider === server.slug ||
  c.provider === server.provider ||
  (c.oauth !== null && server.auth_kinds.includes('oauth') && server.provider === null)

export function AddInstance({ server, onClose }: { server: Server; onClose: () => void }) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const connections = useInfiniteQuery(connectionsQuery({}))
  const fitting = (connections.data?.pages ?? []).flatMap((p) => p.items).filter((c) => suits(server, c))
  const [config, setConfig] = useState('{}')
  const needs = !server.auth_kinds.includes('none')
  const problem = jsonProblem(config)
  const add = useMutation({
    mutationFn: (form: Record<string, string>) =>
      call('instances.create', {
        slug: server.slug,
        ...(form.name ? { name: form.name } : {}),
        connection_id: form.connection_id || null,
        config: JSON.parse(config) as Record<string, unknown>,
      }),
    onSuccess: async (made) => {
      await queries.invalidateQueries({ queryKey: ['instances'] })
      await navigate({ to: '/mcp/instances/$id', params: { id: made.id }, search: { tool: undefined } })
    },
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (problem === null) add.mutate(Object.fromEntries(new FormData(event.currentTarget)) as Record<string, string>)
  }
  return (
    <Dialog open onClose={onClose} title={t('mcp.add.title', { server: server.title })} about={server.about}>
      <form noValidate onSubmit={submit} className="flex flex-col gap-4">
        {add.error ? <Problem error={add.error} /> : null}
        <Field label={t('mcp.col.name')}>{(ids) => <Input {...ids} name="name" defaultValue={server.title} autoComplete="off" />}</Field>
        {needs ? (
          <Field label={t('mcp.add.connection')}>
            {(ids) => (
              <Select {...ids} name="connection_id" defaultValue={fitting[0]?.id ?? ''}>
                <option value="">{t('mcp.add.none')}</option>
                {fitting.map((c) => (
                  <option key={c.id} value={c.id}>
                    {c.name}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        ) : (
          <p className="text-ink-2">{t('mcp.add.noneNeeded')}</p>
        )}
        <Field
          label={t('mcp.config')}
          hint={Object.keys((server.config_schema.properties ?? {}) as object).join(', ')}
          problem={problem === null ? undefined : t('mcp.args.bad', { problem })}
        >
          {(ids) => <TextArea {...ids} rows={3} value={config} onChange={(e) => setConfig(e.target.value)} />}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button type="submit" look="primary" busy={add.isPending}>
            {t('mcp.add.submit')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
