import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { LoaderCircle } from 'lucide-react'
import { useState } from 'react'
import { type Answer, call, type Input, Refusal } from '../../api.ts'
import { deliveriesQuery, workflowsQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input as TextInput, SecretInput, Select } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Code, CopyChip } from '../../ui/parts.tsx'
import { Problem } from '../../ui/region.tsx'
import { type Key, t } from '../../words/index.ts'

type Scheme = NonNullable<NonNullable<Input<'webhooks.create'>['signature']>['scheme']>
const SCHEMES: Scheme[] = ['agentruntime', 'standard-webhooks', 'github', 'shopify', 'meta', 'stripe']
/** These make the secret themselves, and show it at their side. */
const PROVIDED: Scheme[] = ['shopify', 'meta', 'stripe']

export function NewWebhook({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient()
  const workflows = useQuery(workflowsQuery)
  const [scheme, setScheme] = useState<Scheme>('agentruntime')
  const create = useMutation({
    mutationFn: (input: Input<'webhooks.create'>) => call('webhooks.create', input),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['webhooks'] }),
    gcTime: 0,
  })
  const close = () => {
    create.reset()
    onClose()
  }
  if (create.data) return <Made made={create.data} scheme={scheme} onClose={close} />
  const fields = create.error instanceof Refusal ? create.error.fields : new Map<string, string>()
  const some = workflows.data?.items ?? []
  return (
    <Dialog open onClose={close} title={t('hooks.new')}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          const form = new FormData(e.currentTarget)
          const secret = String(form.get('secret') ?? '')
          create.mutate({
            workflow_id: String(form.get('workflow') ?? ''),
            name: String(form.get('name') ?? ''),
            signature: { scheme },
            ...(secret === '' ? {} : { provided_secret: secret }),
          })
        }}
      >
        {create.error ? <Problem error={create.error} /> : null}
        <Field label={t('hooks.name')} required problem={fields.get('name')}>
          {(ids) => <TextInput {...ids} name="name" autoComplete="off" maxLength={200} />}
        </Field>
        <Field
          label={t('hooks.workflow')}
          required
          problem={fields.get('workflow_id')}
          hint={workflows.data && some.length === 0 ? t('hooks.workflow.none') : undefined}
        >
          {(ids) => (
            <Select {...ids} name="workflow">
              {some.map((w) => (
                <option key={w.id} value={w.id}>
                  {w.name}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <Field label={t('hooks.scheme')}>
          {(ids) => (
            <Select {...ids} value={scheme} onChange={(e) => setScheme(e.target.value as Scheme)}>
              {SCHEMES.map((name) => (
                <option key={name} value={name}>
                  {t(`hooks.scheme.${name}` as Key)}
                </option>
              ))}
            </Select>
          )}
        </Field>
        {PROVIDED.includes(scheme) ? (
          <Field label={t('hooks.provided')} hint={t('hooks.provided.hint')} problem={fields.get('provided_secret')}>
            {(ids) => <SecretInput {...ids} name="secret" />}
          </Field>
        ) : null}
        <div className="flex justify-end gap-2">
          <Button onClick={close}>{t('action.cancel')}</Button>
          <Button type="submit" look="primary" busy={create.isPending} disabled={some.length === 0}>
            {t('hooks.create')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

/** What the sender needs, once; and whether it has arrived there. */
function Made({ made, scheme, onClose }: { made: Answer<'webhooks.create'>; scheme: Scheme; onClose: () => void }) {
  const curl = [
    `BODY='{"hello":"world"}'`,
    `curl -X POST '${made.ingress_url}' -H 'content-type: application/json' \\`,
    `  -H "X-Agentruntime-Signature: sha256=$(printf %s "$BODY" | openssl dgst -sha256 -hmac '${made.signing_secret}' -r | cut -d' ' -f1)" \\`,
    `  -d "$BODY"`,
  ].join('\n')
  return (
    <Dialog
      open
      onClose={onClose}
      sticky
      wide
      title={t('hooks.made.title')}
      about={made.signing_secret ? t('hooks.made.about') : undefined}
    >
      <div className="flex flex-col gap-4">
        <Shown label={t('hooks.url')} value={made.ingress_url} />
        {made.signing_secret ? <Shown label={t('hooks.secret')} value={made.signing_secret} /> : null}
        {made.verify_token ? <Shown label={t('hooks.verify')} value={made.verify_token} /> : null}
        {scheme === 'agentruntime' && made.signing_secret ? (
          <div>
            <div className="mb-1 flex items-center justify-between gap-2">
              <p className="text-sm font-medium">{t('hooks.try')}</p>
              <CopyChip text={curl} shown={t('action.copy')} />
            </div>
            <Code text={curl} label={t('hooks.try')} />
          </div>
        ) : null}
        <First id={made.subscription.id} />
        <div className="flex justify-end">
          <Button look="primary" onClick={onClose}>
            {t('hooks.done')}
          </Button>
        </div>
      </div>
    </Dialog>
  )
}

export const Shown = ({ label, value }: { label: string; value: string }) => (
  <div className="min-w-0">
    <p className="mb-1 text-sm font-medium">{label}</p>
    <CopyChip text={value} shown={value} />
  </div>
)

function First({ id }: { id: string }) {
  const came = useQuery(deliveriesQuery(id)).data?.items[0]
  return (
    <p role="status" className="flex flex-wrap items-center gap-2 rounded-md bg-surface-2 p-3 text-sm">
      {came ? (
        <>
          <span className={came.outcome === 'refused' ? 'text-danger' : 'text-ok'}>
            {t('hooks.came', { outcome: t(`hooks.outcome.${came.outcome}`) })}
          </span>
          {came.code ? <span className="font-mono text-xs">{came.code}</span> : null}
          {came.run_id ? (
            <Link to="/runs" search={{ status: undefined }} className="text-accent underline">
              {t('nav.runs')}
            </Link>
          ) : null}
        </>
      ) : (
        <>
          <LoaderCircle size={14} aria-hidden className="motion-safe:animate-spin" />
          {t('hooks.waiting')}
        </>
      )}
    </p>
  )
}
