import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { get, post, Refusal } from '../../api.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { Field, Input, SecretInput } from '../../ui/field.tsx'
import { CopyChip } from '../../ui/parts.tsx'
import { Problem, Skeleton } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { Frame } from './frame.tsx'
import { useLinkToken } from './link.ts'

const SHORTEST = 12

export function Setup() {
  const token = useLinkToken()
  const state = useQuery({ queryKey: ['setup'], queryFn: () => get('/v1/setup') as Promise<{ open: boolean }> })
  const navigate = useNavigate()
  const queries = useQueryClient()
  const [problems, setProblems] = useState<Record<string, string>>({})
  const create = useMutation({
    mutationFn: (body: Record<string, string>) => post('/v1/setup', body),
    onSuccess: async () => {
      queries.clear()
      await navigate({ to: '/' })
    },
  })

  if (state.data?.open === false)
    return (
      <Frame title={t('setup.done.title')} about={t('setup.done.text')}>
        <Link to="/login" search={{ return_to: undefined }} className={buttonClass('primary')}>
          {t('setup.toSignIn')}
        </Link>
      </Frame>
    )
  if (token === '')
    return (
      <Frame title={t('setup.noToken.title')} about={t('setup.noToken.text')}>
        <CopyChip text={t('setup.noToken.command')} shown={t('setup.noToken.command')} />
      </Frame>
    )
  if (state.data === undefined)
    return (
      <Frame title={t('setup.title')}>{state.error ? <Problem error={state.error} retry={state.refetch} /> : <Skeleton rows={3} />}</Frame>
    )

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = Object.fromEntries(new FormData(event.currentTarget)) as Record<string, string>
    const found: Record<string, string> = {}
    if (!/^\S+@\S+$/.test(form.email ?? '')) found.email = t('setup.email.bad')
    if ((form.password ?? '').length < SHORTEST) found.password = t('setup.password.short')
    setProblems(found)
    const [first] = Object.keys(found)
    if (first) (event.currentTarget.elements.namedItem(first) as HTMLElement).focus()
    else create.mutate({ ...form, token })
  }
  const said = create.error instanceof Refusal ? create.error.fields : new Map<string, string>()
  return (
    <Frame title={t('setup.title')} about={t('setup.about')}>
      <form noValidate onSubmit={submit} className="flex flex-col gap-4">
        {create.error ? <Problem error={create.error} /> : null}
        <Field label={t('setup.email')} required problem={problems.email ?? said.get('email')}>
          {(ids) => <Input {...ids} name="email" type="email" autoComplete="username" autoFocus />}
        </Field>
        <Field label={t('setup.password')} required hint={t('setup.password.hint')} problem={problems.password ?? said.get('password')}>
          {(ids) => <SecretInput {...ids} name="password" autoComplete="new-password" />}
        </Field>
        <Field label={t('setup.workspace')} required problem={said.get('workspace_name')}>
          {(ids) => <Input {...ids} name="workspace_name" defaultValue={t('setup.workspace.default')} />}
        </Field>
        <Button type="submit" look="primary" busy={create.isPending}>
          {t('setup.submit')}
        </Button>
      </form>
    </Frame>
  )
}
