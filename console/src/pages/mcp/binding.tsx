/** Which connection a profile uses: those that fit first, or one that is made here and now. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Plus } from 'lucide-react'
import { type Ref, useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { templatesQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Select } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { ConnectionStatus } from '../../ui/pill.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { ByHand } from '../connections/by-hand.tsx'
import { BySignIn } from '../connections/by-sign-in.tsx'
import { providerOf, type Server, suits } from './suits.ts'

export type Connection = Answer<'connections.list'>['items'][number]

/** Connections that this server takes, in one environment. */
export const useFitting = (server: Server, environment: string) =>
  useQuery({
    queryKey: ['connections', 'fitting', server.slug, environment],
    queryFn: ({ signal }) => {
      const provider = providerOf(server)
      return call('connections.list', { environment, limit: 200, ...(provider ? { provider } : {}) }, { signal })
    },
    enabled: !server.auth_kinds.includes('none'),
    select: ({ items }) => items.filter((c) => suits(server, c)),
  })

export function Binding(props: {
  server: Server
  environment: string
  value: string | null
  disabled: boolean
  ref?: Ref<HTMLSelectElement>
  onChange: (id: string | null) => void
}) {
  const { server, value, disabled } = props
  const fitting = useFitting(server, props.environment)
  const [making, setMaking] = useState(false)
  const items = fitting.data ?? []
  const bound = items.find((c) => c.id === value)
  if (server.auth_kinds.includes('none')) return <p className="text-ink-2">{t('mcp.add.noneNeeded')}</p>
  return (
    <div className="flex flex-col gap-2">
      {fitting.error ? <Problem error={fitting.error} retry={fitting.refetch} /> : null}
      <Field
        label={t('mcp.add.connection')}
        required
        hint={items.length === 0 && fitting.data ? t('mcp.binding.noneFits', { environment: props.environment }) : undefined}
      >
        {(ids) => (
          <Select {...ids} ref={props.ref} disabled={disabled} value={value ?? ''} onChange={(e) => props.onChange(e.target.value || null)}>
            <option value="">{t('mcp.add.none')}</option>
            {value !== null && fitting.data && !bound ? (
              <option value={value}>{t('mcp.binding.other', { id: value.slice(-8) })}</option>
            ) : null}
            {items.map((c) => (
              <option key={c.id} value={c.id}>
                {c.account ? `${c.name} (${c.account.label})` : c.name}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <div className="flex flex-wrap items-center gap-2">
        {bound ? <ConnectionStatus status={bound.status} why={bound.status_text} /> : null}
        {value ? (
          <Link to="/connections" search={{ c: value }} className="text-xs text-accent underline hover:no-underline">
            {t('mcp.binding.look')}
          </Link>
        ) : null}
        <Button size="sm" look="quiet" disabled={disabled} onClick={() => setMaking(true)}>
          <Plus size={14} aria-hidden />
          {t('connections.new')}
        </Button>
      </div>
      {making ? (
        <MakeConnection
          server={server}
          onClose={() => setMaking(false)}
          onMade={(id) => {
            setMaking(false)
            props.onChange(id)
          }}
        />
      ) : null}
    </div>
  )
}

function MakeConnection({ server, onClose, onMade }: { server: Server; onClose: () => void; onMade: (id: string) => void }) {
  const templates = useQuery(templatesQuery)
  const [byHand, setByHand] = useState(false)
  const slug = server.provider ?? server.slug
  const template = templates.data?.items.find((it) => it.provider === slug)
  if (!template) return null
  return (
    <Dialog open onClose={onClose} title={t('connect.new', { what: template.display_name })} about={template.about}>
      {/* What is sent in here is no answer to the form around it. */}
      <div onSubmit={(e) => e.stopPropagation()}>
        {template.sign_in && !byHand ? (
          <BySignIn
            template={template}
            only={server.auth_kinds.includes('oauth') ? server.slug : undefined}
            onMade={onMade}
            onBack={onClose}
            onHand={() => setByHand(true)}
          />
        ) : (
          <ByHand template={template} onMade={onMade} onBack={onClose} />
        )}
      </div>
    </Dialog>
  )
}
