import { useMutation } from '@tanstack/react-query'
import type { FormEvent } from 'react'
import { post } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input, SecretInput } from '../../ui/field.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'

/** E-mail and password. `email` is known where somebody signs in once more. */
export function SignInForm({ email, onDone }: { email?: string; onDone: () => void }) {
  const signIn = useMutation({
    mutationFn: (body: Record<string, string>) => post('/v1/auth/sign-in', body),
    onSuccess: onDone,
    gcTime: 0,
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    signIn.mutate(Object.fromEntries(new FormData(event.currentTarget)) as Record<string, string>)
  }
  return (
    <form noValidate onSubmit={submit} className="flex flex-col gap-4">
      {signIn.error ? <Problem error={signIn.error} /> : null}
      <Field label={t('login.email')} required>
        {(ids) => <Input {...ids} name="email" type="email" autoComplete="username" defaultValue={email} autoFocus={email === undefined} />}
      </Field>
      <Field label={t('login.password')} required>
        {(ids) => <SecretInput {...ids} name="password" autoComplete="current-password" autoFocus={email !== undefined} />}
      </Field>
      <Button type="submit" look="primary" busy={signIn.isPending}>
        {t('login.submit')}
      </Button>
    </form>
  )
}
