/** A sign-in comes back to one address. Whoever has opened the Console at another one is told before, not by the provider afterwards. */
import { useQuery } from '@tanstack/react-query'
import { TriangleAlert } from 'lucide-react'
import { googleConfigQuery, oauthAppsQuery } from '../../queries.ts'
import { buttonClass } from '../../ui/button.tsx'
import { t } from '../../words/index.ts'

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/

/** Where the Console has to be opened instead; null where it is right. */
function detour(redirectUri: string): { origin: string; insecure: boolean } | null {
  const { origin, protocol, hostname } = new URL(redirectUri)
  const insecure = protocol === 'http:' && !LOOPBACK.test(hostname)
  return origin !== location.origin || insecure ? { origin, insecure } : null
}

export function useDetour(): ReturnType<typeof detour> {
  const { data } = useQuery(googleConfigQuery)
  return data ? detour(data.redirect_uri) : null
}

/** Once for a page on which several things could be signed in to. */
export function PageGuard() {
  const to = useDetour()
  const apps = useQuery(oauthAppsQuery)
  if (to === null || !apps.data || apps.data.items.length === 0) return null
  return (
    <div className="mb-4">
      <OriginGuard to={to} provider={t('signin.aProvider')} />
    </div>
  )
}

export function OriginGuard({ to, provider }: { to: NonNullable<ReturnType<typeof detour>>; provider: string }) {
  const here = to.origin === location.origin
  return (
    <div role="alert" className="flex max-w-xl gap-2 rounded-md bg-warn-soft p-3 text-sm">
      <TriangleAlert size={16} className="mt-0.5 shrink-0 text-warn" aria-hidden />
      <div className="flex min-w-0 flex-col items-start gap-2">
        <p className="break-words">
          {here
            ? t('origin.insecure', { url: to.origin, provider })
            : t('origin.other', { here: location.origin, url: to.origin, provider })}
        </p>
        {here ? null : (
          <a className={buttonClass('plain', 'sm')} href={to.origin + location.pathname + location.search}>
            {t('origin.use')}
          </a>
        )}
        <details className="text-xs text-ink-2">
          <summary className="cursor-pointer">{t('origin.how')}</summary>
          <p className="pt-1">{t('origin.how.text')}</p>
          <code className="break-all">{`--public-url ${here ? 'https://agents.example.com' : location.origin}`}</code>
        </details>
      </div>
    </div>
  )
}
