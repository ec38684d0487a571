import { useQueryClient } from '@tanstack/react-query'
import { useRouter, useSearch } from '@tanstack/react-router'
import { safeReturn } from '../../session.ts'
import { t } from '../../words/index.ts'
import { SignInForm } from './form.tsx'
import { Frame } from './frame.tsx'

export function Login() {
  const { return_to } = useSearch({ from: '/login' })
  const router = useRouter()
  const queries = useQueryClient()
  return (
    <Frame title={t('login.title')}>
      <SignInForm
        onDone={() => {
          queries.clear()
          router.history.push(safeReturn(return_to))
        }}
      />
      <p className="mt-4 text-xs text-ink-3">{t('login.forgot')}</p>
    </Frame>
  )
}
