import { useMutation } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { call, Refusal } from '../../api.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { Field, SecretInput } from '../../ui/field.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { Frame } from './frame.tsx'
import { useLinkToken } from './link.ts'

export function Reset() {
  const token = useLinkToken()
  const save = useMutation({ mutationFn: (password: string) => call('auth.reset_password', { token, password }), gcTime: 0 })
  const fields = save.error instanceof Refusal ? save.error.fields : new Map<string, string>()
  if (token === '')
    return (
      <Frame title={t('invite.gone.title')} about={t('invite.gone.text')}>
        {null}
      </Frame>
    )
  if (save.data)
    return (
      <Frame title={t('reset.title')} about={t('reset.done')}>
        <Link to="/login" search={{ return_to: undefined }} className={buttonClass('primary')}>
          {t('login.submit')}
        </Link>
      </Frame>
    )
  return (
    <Frame title={t('reset.title')} about={t('reset.about')}>
      <form
        noValidate
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          save.mutate(String(new FormData(e.currentTarget).get('password') ?? ''))
        }}
      >
        {save.error ? <Problem error={save.error} /> : null}
        <Field label={t('reset.password')} required hint={t('setup.password.hint')} problem={fields.get('password')}>
          {(ids) => <SecretInput {...ids} name="password" autoComplete="new-password" autoFocus />}
        </Field>
        <Button type="submit" look="primary" busy={save.isPending}>
          {t('reset.submit')}
        </Button>
      </form>
    </Frame>
  )
}
