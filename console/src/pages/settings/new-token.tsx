import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, Refusal } from '../../api.ts'
import { useMe } from '../../session.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input, Select } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { CopyChip } from '../../ui/parts.tsx'
import { Problem } from '../../ui/region.tsx'
import { type Key, t } from '../../words/index.ts'

const DAYS = [7, 30, 90, 365]
const DEFAULT_DAYS = 90
const PRESETS = {
  run: ['workflow:read', 'workflow:run'],
  agent: ['mcp:execute'],
  read: ['workflow:read', 'connection:read'],
} as const
/** What only a person who has signed in may do is no scope of a token that is made here. */
const NOT_OFFERED = new Set(['vault:admin'])

/** The token lives in this component's state, for as long as the dialog is open, and nowhere else in the browser. */
export function NewToken({ onClose }: { onClose: () => void }) {
  const me = useMe()
  const queries = useQueryClient()
  const offered = me.scopes.filter((scope) => !NOT_OFFERED.has(scope))
  const [scopes, setScopes] = useState<readonly string[]>(PRESETS.run)
  const create = useMutation({
    mutationFn: (input: { display_name: string; expires_in_days: number }) =>
      call('pats.create', { ...input, scopes: [...scopes] as never }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['tokens'] }),
    gcTime: 0,
  })
  const made = create.data
  const fields = create.error instanceof Refusal ? create.error.fields : new Map<string, string>()
  const close = () => {
    create.reset()
    onClose()
  }
  if (made)
    return (
      <Dialog open onClose={close} sticky title={t('tokens.made.title')} about={t('tokens.made.about')}>
        <div className="flex flex-col gap-4">
          <div>
            <p className="mb-1 text-sm font-medium">{t('tokens.made.token')}</p>
            <CopyChip text={made.token} shown={made.token} />
          </div>
          <div>
            <p className="mb-1 text-sm font-medium">{t('tokens.made.curl')}</p>
            <CopyChip
              text={`curl -H 'Authorization: Bearer ${made.token}' ${location.origin}/v1/me`}
              shown={`curl … ${location.origin}/v1/me`}
            />
          </div>
          <div className="flex justify-end">
            <Button look="primary" onClick={close}>
              {t('tokens.made.done')}
            </Button>
          </div>
        </div>
      </Dialog>
    )
  return (
    <Dialog open onClose={close} title={t('tokens.create.title')}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          const form = new FormData(e.currentTarget)
          create.mutate({ display_name: String(form.get('name') ?? ''), expires_in_days: Number(form.get('days')) })
        }}
      >
        {create.error ? <Problem error={create.error} /> : null}
        <Field label={t('tokens.create.name')} required hint={t('tokens.create.name.hint')} problem={fields.get('display_name')}>
          {(ids) => <Input {...ids} name="name" maxLength={200} autoComplete="off" />}
        </Field>
        <fieldset>
          <legend className="mb-1 text-sm font-medium">{t('tokens.create.scopes')}</legend>
          <div className="mb-2 flex flex-wrap gap-1.5">
            {(Object.keys(PRESETS) as (keyof typeof PRESETS)[]).map((name) => (
              <Button key={name} size="sm" look="quiet" onClick={() => setScopes(PRESETS[name])}>
                {t(`tokens.preset.${name}`)}
              </Button>
            ))}
          </div>
          {offered.map((scope) => (
            <label key={scope} className="flex min-h-7 items-center gap-2 text-sm">
              <input
                type="checkbox"
                className="size-4 accent-accent"
                checked={scopes.includes(scope)}
                onChange={(e) => setScopes(e.target.checked ? [...scopes, scope] : scopes.filter((s) => s !== scope))}
              />
              <span>{t(`scope.${scope}` as Key)}</span>
              <span className="font-mono text-xs text-ink-3">{scope}</span>
            </label>
          ))}
        </fieldset>
        <Field label={t('tokens.create.expires')}>
          {(ids) => (
            <Select {...ids} name="days" defaultValue={DEFAULT_DAYS}>
              {DAYS.map((n) => (
                <option key={n} value={n}>
                  {t('tokens.create.days', { n })}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={close}>{t('action.cancel')}</Button>
          <Button type="submit" look="primary" busy={create.isPending} disabled={scopes.length === 0}>
            {t('tokens.create.submit')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
