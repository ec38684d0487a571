import { useMutation } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { FormEvent } from 'react'
import { post, Refusal } from '../../api.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { Field, Input } from '../../ui/field.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { Frame } from './frame.tsx'

/** Says the same to everybody, as the server does. */
export function Forgot() {
  const ask = useMutation({ mutationFn: (email: string) => post('/v1/auth/forgot-password', { email }) })
  if (ask.isSuccess)
    return (
      <Frame title={t('forgot.asked.title')} about={t('forgot.asked.text')}>
        <Link to="/login" search={{ return_to: undefined }} className={buttonClass('primary')}>
          {t('setup.toSignIn')}
        </Link>
      </Frame>
    )
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    ask.mutate(String(new FormData(event.currentTarget).get('email') ?? ''))
  }
  const said = ask.error instanceof Refusal ? ask.error.fields : new Map<string, string>()
  return (
    <Frame title={t('login.forgot')} about={t('forgot.about')}>
      <form noValidate onSubmit={submit} className="flex flex-col gap-4">
        {ask.error ? <Problem error={ask.error} /> : null}
        <Field label={t('login.email')} required problem={said.get('email')}>
          {(ids) => <Input {...ids} name="email" type="email" autoComplete="username" autoFocus />}
        </Field>
        <Button type="submit" look="primary" busy={ask.isPending}>
          {t('forgot.ask')}
        </Button>
      </form>
    </Frame>
  )
}
