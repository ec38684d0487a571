import { Link } from '@tanstack/react-router'
import { useDenied } from '../../may.ts'
import { t } from '../../words/index.ts'

/** Where an admin says which OAuth app of a provider this server is. */
export function SetUpApp({ provider }: { provider: string }) {
  const denied = useDenied('workspace_admin')
  return denied ? (
    <p className="text-ink-2">{t('accounts.noApp.ask', { provider })}</p>
  ) : (
    <Link to="/settings" search={{ tab: 'oauth' }} className="text-accent underline hover:no-underline">
      {t('accounts.noApp', { provider })}
    </Link>
  )
}
