import '../../words/with-settings.ts'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { call, Refusal } from '../../api.ts'
import { meQuery } from '../../session.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { Field, Input, SecretInput } from '../../ui/field.tsx'
import { Problem, Skeleton } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { Frame } from './frame.tsx'
import { useLinkToken } from './link.ts'

export function Invite() {
  const token = useLinkToken()
  const queries = useQueryClient()
  const navigate = useNavigate()
  const look = useQuery({
    queryKey: ['invitation', 'look'],
    queryFn: () => call('invitations.look', { token }),
    enabled: token !== '',
    retry: false,
    gcTime: 0,
  })
  const me = useQuery({ ...meQuery, retry: false, enabled: look.data?.has_account === true })
  const accept = useMutation({
    mutationFn: (input: { password?: string; name?: string }) => call('invitations.accept', { token, ...input }),
    onSuccess: async () => {
      queries.clear()
      await navigate({ to: '/' })
    },
    gcTime: 0,
  })
  if (token === '' || (look.error instanceof Refusal && look.error.status < 500 && look.error.status !== 429))
    return (
      <Frame title={t('invite.gone.title')} about={t('invite.gone.text')}>
        {null}
      </Frame>
    )
  if (!look.data)
    return (
      <Frame title={t('invite.title', { workspace: '…' })}>
        {look.error ? <Problem error={look.error} retry={look.refetch} /> : <Skeleton rows={3} />}
      </Frame>
    )
  const { workspace, email, role, has_account } = look.data
  const title = t('invite.title', { workspace })
  const about = t('invite.about', { role: t(`members.role.${role}`), email })
  if (has_account && me.data?.user.email !== email)
    return (
      <Frame title={title} about={about}>
        <p className="mb-4 text-sm">{t('invite.known', { email })}</p>
        <Link to="/login" search={{ return_to: undefined }} className={buttonClass('primary')}>
          {t('login.submit')}
        </Link>
      </Frame>
    )
  const fields = accept.error instanceof Refusal ? accept.error.fields : new Map<string, string>()
  return (
    <Frame title={title} about={about}>
      <form
        noValidate
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          const form = new FormData(e.currentTarget)
          const name = String(form.get('name') ?? '').trim()
          accept.mutate(has_account ? {} : { password: String(form.get('password') ?? ''), ...(name ? { name } : {}) })
        }}
      >
        {accept.error ? <Problem error={accept.error} /> : null}
        {has_account ? null : (
          <>
            <Field label={t('invite.name')} problem={fields.get('name')}>
              {(ids) => <Input {...ids} name="name" autoComplete="name" autoFocus />}
            </Field>
            <Field label={t('invite.password')} required hint={t('setup.password.hint')} problem={fields.get('password')}>
              {(ids) => <SecretInput {...ids} name="password" autoComplete="new-password" />}
            </Field>
          </>
        )}
        <Button type="submit" look="primary" busy={accept.isPending}>
          {has_account ? t('invite.known.join', { email }) : t('invite.submit')}
        </Button>
      </form>
    </Frame>
  )
}
