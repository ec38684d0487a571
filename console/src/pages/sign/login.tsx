import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useRouter, useSearch } from '@tanstack/react-router'
import { call } from '../../api.ts'
import { safeReturn } from '../../session.ts'
import { Button } from '../../ui/button.tsx'
import { Problem } from '../../ui/region.tsx'
import { type Key, t } from '../../words/index.ts'
import { SignInForm } from './form.tsx'
import { Frame } from './frame.tsx'

/** How a way by a provider may have ended; what else stands in the address is nobody's word. */
const PROBLEMS = ['not_linked', 'declined', 'not_ours', 'taken', 'provider', 'signed_out']

export function Login() {
  const { return_to, problem } = useSearch({ from: '/login' })
  const router = useRouter()
  const queries = useQueryClient()
  const providers = useQuery({ queryKey: ['sign-in-providers'], queryFn: ({ signal }) => call('auth.providers', {}, { signal }) })
  const away = useMutation({
    mutationFn: (slug: string) => call('auth.start_with', { slug, return_to: safeReturn(return_to) }),
    onSuccess: ({ url }) => location.assign(url),
  })
  return (
    <Frame title={t('login.title')}>
      {problem && PROBLEMS.includes(problem) ? (
        <p role="alert" className="mb-4 rounded-md bg-surface-2 p-3 text-sm">
          {t(`login.problem.${problem}` as Key)}
        </p>
      ) : null}
      <SignInForm
        onDone={() => {
          queries.clear()
          router.history.push(safeReturn(return_to))
        }}
      />
      {away.error ? <Problem error={away.error} /> : null}
      {(providers.data?.items ?? []).map((it) => (
        <Button key={it.slug} className="mt-4 w-full" busy={away.isPending} onClick={() => away.mutate(it.slug)}>
          {t('login.with', { provider: it.title })}
        </Button>
      ))}
      <p className="mt-4 text-xs">
        <Link to="/forgot" className="text-ink-2 underline">
          {t('login.forgot')}
        </Link>
      </p>
    </Frame>
  )
}
