import { CircleAlert } from 'lucide-react'
import { useMemo } from 'react'
import { type Answer, call } from '../../api.ts'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { SignIn } from './sign-in.tsx'
import { buttonClass } from '../../ui/button.tsx'
import { Link } from '@tanstack/react-router'

type Connection = Answer<'connections.get'>
const SHOWN = 2

/** Whether a person's new consent is what brings it back; otherwise a new key is. */
export const bySignIn = (c: Connection): boolean => c.oauth?.kind === 'authorization_code'

export function ReconnectBanners({ connections }: { connections: readonly Connection[] }) {
  const dead = useMemo(() => connections.filter((c) => c.status === 'reconnect').slice(0, SHOWN), [connections])
  return dead.map((c) => (
    <div key={c.id} role="status" className="mb-4 flex flex-wrap items-start gap-3 rounded-[10px] border border-danger bg-danger-soft p-4">
      <CircleAlert size={16} className="mt-0.5 text-danger" aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="font-medium">{t('connections.banner', { name: c.name })}</p>
        <p className="text-ink-2">{c.status_text}</p>
      </div>
      {bySignIn(c) ? (
        <SignIn
          label={t('connections.reconnect')}
          size="sm"
          ask={() => call('connections.reconnect', { id: c.id })}
          onDone={() => toast(t('connect.popup.done', { name: c.name }))}
        />
      ) : (
        <Link
          to="/connections"
          search={{ c: c.id, tab: 'credential', q: undefined, status: undefined, new: undefined }}
          className={buttonClass('plain', 'sm')}
        >
          {t('connections.details')}
        </Link>
      )}
    </div>
  ))
}
