import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { CircleAlert } from 'lucide-react'
import type { Answer } from '../../api.ts'
import { useDenied } from '../../may.ts'
import { deadQuery } from '../../queries.ts'
import { buttonClass } from '../../ui/button.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { askAgain, bySignIn } from './ask.ts'
import { SignIn } from './sign-in.tsx'

type Dead = Answer<'connections.list'>['items'][number]
/** More than that is a list, and the list is below. */
const SHOWN = 2

/** One for each that is dead, wherever somebody should know of it. */
export function ReconnectBanners({ quiet = false }: { quiet?: boolean }) {
  const denied = useDenied('project_contributor')
  const dead = useQuery(deadQuery).data?.items ?? []
  const more = dead.length - SHOWN
  return (
    <>
      {dead.slice(0, SHOWN).map((c) => (
        <Banner key={c.id} connection={c} denied={denied} quiet={quiet} />
      ))}
      {more > 0 ? (
        <p className="mb-4 text-sm">
          <Link
            to="/connections"
            search={(before) => ({ ...before, status: 'reconnect' })}
            className="text-accent underline hover:no-underline"
          >
            {t('connections.banner.more', { n: more })}
          </Link>
        </p>
      ) : null}
    </>
  )
}

function Banner({ connection: c, denied, quiet }: { connection: Dead; denied: string | null; quiet: boolean }) {
  const { usage } = c
  return (
    <section
      aria-label={t('connections.banner', { name: c.name })}
      className="mb-4 flex flex-wrap items-start gap-3 rounded-[10px] border border-danger bg-danger-soft p-4"
    >
      <CircleAlert size={16} className="mt-0.5 text-danger" aria-hidden />
      <div className="min-w-0 flex-[1_1_16rem]">
        <p className="font-medium break-words">
          {t('connections.banner', { name: c.name })}
          {usage.workflows > 0 ? ` ${t('connections.banner.stops', { n: usage.workflows })}` : null}
        </p>
        <p className="break-words text-ink-2">{c.status_text}</p>
      </div>
      {bySignIn(c) ? (
        <SignIn
          label={t('connections.reconnect')}
          name={c.name}
          provider={c.provider}
          look="plain"
          inline
          quiet={quiet}
          size="sm"
          denied={denied}
          ask={askAgain(c.id)}
          onDone={() => toast(t('signin.done', { name: c.name }))}
        />
      ) : (
        <Link
          to="/connections"
          search={(before) => ({ ...before, new: undefined, c: c.id, tab: 'credential' })}
          className={buttonClass('plain', 'sm')}
        >
          {t('connections.newKey')}
          <span className="sr-only">{c.name}</span>
        </Link>
      )}
    </section>
  )
}
