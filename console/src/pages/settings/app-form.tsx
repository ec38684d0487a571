import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type Answer, call, Refusal } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input, SecretInput } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { CopyChip } from '../../ui/parts.tsx'
import { Problem } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'

type App = Answer<'oauth_apps.list'>['items'][number]

const CHOSEN = ['identity_scopes', 'scopes', 'api_hosts', 'params', 'test_mode', 'rotates']
const ENDPOINTS = ['authorization_endpoint', 'token_endpoint', 'revocation_endpoint', 'userinfo_endpoint', 'client_auth']
/** What stays as it is. What an issuer's metadata say is read again, and is not taken for a choice. */
const given = (app: App | undefined, issuer: string): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(app?.settings ?? {}).filter(([name]) => CHOSEN.includes(name) || (issuer === '' && ENDPOINTS.includes(name))),
  )

/** One client at one provider. An empty `slug` is a provider of one's own, which gets a name here. */
export function AppForm({ slug, app, onClose }: { slug: string; app: App | undefined; onClose: () => void }) {
  const queries = useQueryClient()
  const doctor = useQuery({ queryKey: ['doctor'], queryFn: ({ signal }) => call('doctor.oauth', {}, { signal }) })
  const own = slug === '' || (app !== undefined && app.provider === 'oauth2')
  const save = useMutation({
    mutationFn: (form: FormData) => {
      const text = (name: string) => String(form.get(name) ?? '').trim()
      const secret = String(form.get('client_secret') ?? '')
      const name = slug || text('slug')
      return call('oauth_apps.put', {
        ...given(app, text('issuer')),
        slug: name,
        ...(own ? { provider: 'oauth2', ...(text('issuer') ? { issuer: text('issuer') } : {}) } : {}),
        client_id: text('client_id'),
        ...(secret === '' ? {} : { client_secret: secret }),
      })
    },
    onSuccess: async (saved) => {
      await Promise.all([queries.invalidateQueries({ queryKey: ['oauth-apps'] }), queries.invalidateQueries({ queryKey: ['doctor'] })])
      toast(t('oauth.saved', { slug: saved.slug }))
      onClose()
    },
    gcTime: 0,
  })
  const fields = save.error instanceof Refusal ? save.error.fields : new Map<string, string>()
  const redirect = app?.redirect_uri ?? doctor.data?.redirect_uri
  return (
    <Dialog open onClose={onClose} title={slug === '' ? t('oauth.other') : slug} about={t('oauth.about')}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          save.mutate(new FormData(e.currentTarget))
        }}
      >
        {save.error ? <Problem error={save.error} /> : null}
        {redirect ? (
          <div>
            <p className="mb-1 text-sm font-medium">{t('oauth.redirect')}</p>
            <CopyChip text={redirect} shown={redirect} />
            <p className="mt-1 text-xs text-ink-3">{t('oauth.redirect.hint')}</p>
          </div>
        ) : null}
        {slug === '' ? (
          <Field label={t('oauth.slug')} required hint={t('oauth.slug.hint')} problem={fields.get('slug')}>
            {(ids) => <Input {...ids} name="slug" autoComplete="off" required />}
          </Field>
        ) : null}
        {own ? (
          <Field label={t('oauth.issuer')} hint={t('oauth.issuer.hint')} problem={fields.get('issuer')}>
            {(ids) => (
              <Input
                {...ids}
                name="issuer"
                type="url"
                autoComplete="off"
                defaultValue={String(app?.settings.issuer ?? '')}
                placeholder="https://"
              />
            )}
          </Field>
        ) : null}
        <Field label={t('oauth.client')} required problem={fields.get('client_id')}>
          {(ids) => <Input {...ids} name="client_id" autoComplete="off" defaultValue={app?.client_id} required />}
        </Field>
        <Field
          label={t('oauth.secret')}
          hint={app?.has_secret ? t('oauth.secret.keep') : t('oauth.secret.hint')}
          problem={fields.get('client_secret')}
        >
          {(ids) => <SecretInput {...ids} name="client_secret" />}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button type="submit" look="primary" busy={save.isPending}>
            {t('oauth.save')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
