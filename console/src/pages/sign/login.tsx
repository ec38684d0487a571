import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useRouter, useSearch } from '@tanstack/react-router'
import type { FormEvent } from 'react'
import { post } from '../../api.ts'
import { safeReturn } from '../../session.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input, SecretInput } from '../../ui/field.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { Frame } from './frame.tsx'

export function Login() {
  const { return_to } = useSearch({ from: '/login' })
  const router = useRouter()
  const queries = useQueryClient()
  const signIn = useMutation({
    mutationFn: (body: Record<string, string>) => post('/v1/auth/sign-in', body),
    onSuccess: () => {
      queries.clear()
      router.history.push(safeReturn(return_to))
    },
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    signIn.mutate(Object.fromEntries(new FormData(event.currentTarget)) as Record<string, string>)
  }
  return (
    <Frame title={t('login.title')}>
      <form noValidate onSubmit={submit} className="flex flex-col gap-4">
        {signIn.error ? <Problem error={signIn.error} /> : null}
        <Field label={t('login.email')} required>
          {(ids) => <Input {...ids} name="email" type="email" autoComplete="username" autoFocus />}
        </Field>
        <Field label={t('login.password')} required>
          {(ids) => <SecretInput {...ids} name="password" autoComplete="current-password" />}
        </Field>
        <Button type="submit" look="primary" busy={signIn.isPending}>
          {t('login.submit')}
        </Button>
        <p className="text-xs text-ink-3">{t('login.forgot')}</p>
      </form>
    </Frame>
  )
}
