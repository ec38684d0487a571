import { useDenied } from '../../may.ts'
import { t } from '../../words/index.ts'

/** Where the operator says which OAuth app of a provider this server is. */
export const APPS_PAGE = '/settings?tab=oauthApps'

export function SetUpApp({ provider }: { provider: string }) {
  const denied = useDenied('workspace_admin')
  return denied ? (
    <p className="text-ink-2">{t('accounts.noApp.ask', { provider })}</p>
  ) : (
    <a href={APPS_PAGE} className="text-accent underline hover:no-underline">
      {t('accounts.noApp', { provider })}
    </a>
  )
}
