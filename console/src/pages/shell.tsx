import { useQueryClient, useSuspenseQuery } from '@tanstack/react-query'
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import {
  Cable,
  House,
  KeyRound,
  ListTree,
  LogOut,
  type LucideIcon,
  Monitor,
  Moon,
  Settings as SettingsIcon,
  Sun,
  Workflow,
} from 'lucide-react'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { goTo, type Me, meQuery, signOut, useSignedOut } from '../session.ts'
import { hear, lastLive, useLiveState } from '../live.ts'
import { IconButton } from '../ui/button.tsx'
import { Select } from '../ui/field.tsx'
import { type Key, t, timeText } from '../words/index.ts'

const PLACES: { label: Key | null; links: { to: string; label: Key; icon: LucideIcon }[] }[] = [
  { label: null, links: [{ to: '/', label: 'nav.home', icon: House }] },
  { label: 'nav.operate', links: [{ to: '/runs', label: 'nav.runs', icon: ListTree }] },
  { label: 'nav.build', links: [{ to: '/workflows', label: 'nav.workflows', icon: Workflow }] },
  {
    label: 'nav.connect',
    links: [
      { to: '/connections', label: 'nav.connections', icon: KeyRound },
      { to: '/mcp', label: 'nav.mcp', icon: Cable },
    ],
  },
  { label: 'nav.manage', links: [{ to: '/settings', label: 'nav.settings', icon: SettingsIcon }] },
]

const THEMES = ['system', 'light', 'dark'] as const
const THEME_ICONS = { system: Monitor, light: Sun, dark: Moon }

function Theme() {
  const [wish, setWish] = useState<(typeof THEMES)[number]>(() => (localStorage.getItem('theme') as 'light' | 'dark' | null) ?? 'system')
  useEffect(() => {
    const system = matchMedia('(prefers-color-scheme: dark)')
    const apply = () => {
      document.documentElement.dataset.theme = wish === 'dark' || (wish === 'system' && system.matches) ? 'dark' : 'light'
    }
    if (wish === 'system') localStorage.removeItem('theme')
    else localStorage.setItem('theme', wish)
    apply()
    system.addEventListener('change', apply)
    return () => system.removeEventListener('change', apply)
  }, [wish])
  const Icon = THEME_ICONS[wish]
  const next = THEMES[(THEMES.indexOf(wish) + 1) % THEMES.length] as (typeof THEMES)[number]
  return (
    <IconButton label={`${t('theme.label')}: ${t(`theme.${wish}`)}`} onClick={() => setWish(next)}>
      <Icon size={16} aria-hidden />
    </IconButton>
  )
}

const DOTS = { live: 'bg-ok', connecting: 'bg-warn', polling: 'bg-line-strong' }
function Live() {
  const state = useLiveState()
  return (
    <p className="flex items-center gap-1.5 px-2 text-xs text-ink-3">
      <span aria-hidden className={`size-1.5 rounded-full ${DOTS[state]}`} />
      {t(`live.${state}`)}
    </p>
  )
}

/** What is on the page may be old, and says so; nothing of it goes away. */
function Stale() {
  if (useLiveState() !== 'polling') return null
  return (
    <p role="status" className="mb-4 rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">
      {t('state.offline', { at: timeText(lastLive()) })}
    </p>
  )
}

/** Where one works. A choice only where there is one. */
function Place({ me }: { me: Me }) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const places = me.workspaces.flatMap((w) => w.projects.map((p) => ({ workspace: w, project: p })))
  if (places.length < 2) return <p className="max-w-40 truncate text-xs text-ink-3">{me.workspace.name}</p>
  return (
    <Select
      aria-label={t('nav.place')}
      className="mt-1 max-w-44"
      value={me.project_id}
      onChange={(e) => {
        const to = places.find((it) => it.project.id === e.target.value)
        if (!to) return
        void navigate({ to: '/' }).then(() => {
          goTo({ workspace: to.workspace.slug, project: to.project.id }, queries)
          location.reload() // nothing of one project is shown in another
        })
      }}
    >
      {me.workspaces.map((w) => (
        <optgroup key={w.id} label={w.name}>
          {w.projects.map((p) => (
            <option key={p.id} value={p.id}>
              {p.name}
            </option>
          ))}
        </optgroup>
      ))}
    </Select>
  )
}

const SignInAgain = lazy(async () => ({ default: (await import('./sign/again.tsx')).SignInAgain }))

export function Shell() {
  const { data: me } = useSuspenseQuery(meQuery)
  const queries = useQueryClient()
  const navigate = useNavigate()
  const path = useRouterState({ select: (s) => s.location.pathname })
  const main = useRef<HTMLElement>(null)
  const first = useRef(true)
  // Whoever cannot see that the page has changed is taken to its title.
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is for each page anew
  useEffect(() => {
    if (first.current) first.current = false
    else if (!document.querySelector('[role=dialog]')) (main.current?.querySelector<HTMLElement>('h1') ?? main.current)?.focus()
  }, [path])

  const signedOut = useSignedOut()
  useEffect(() => {
    const over = new AbortController()
    if (!signedOut) hear(queries, over.signal)
    return () => over.abort()
  }, [queries, signedOut])

  return (
    <div className="min-h-dvh lg:flex">
      <a
        href="#main"
        className="sr-only z-70 rounded-md bg-primary px-3 py-2 text-primary-ink focus:not-sr-only focus:fixed focus:start-2 focus:top-2"
      >
        {t('app.skip')}
      </a>
      <aside className="sticky top-0 z-10 flex flex-wrap items-center gap-x-4 border-b border-line bg-bg px-3 py-2 lg:h-dvh lg:w-[216px] lg:shrink-0 lg:flex-col lg:flex-nowrap lg:items-stretch lg:border-e lg:border-b-0 lg:py-3">
        <div className="px-2 lg:pb-3">
          <p className="font-semibold">{t('app.name')}</p>
          <Place me={me} />
        </div>
        <nav
          aria-label={t('nav.label')}
          className="order-last flex w-full gap-1 overflow-x-auto lg:order-none lg:w-auto lg:flex-1 lg:flex-col lg:gap-3"
        >
          {PLACES.map((group) => (
            <div key={group.label ?? ''} className="flex gap-1 lg:flex-col lg:gap-0.5">
              {group.label ? <p className="hidden px-2 text-xs text-ink-3 lg:block">{t(group.label)}</p> : null}
              {group.links.map(({ to, label, icon: Icon }) => (
                <Link
                  key={to}
                  to={to}
                  activeOptions={{ exact: to === '/' }}
                  className="flex h-8 items-center gap-2 rounded-md px-2 text-sm whitespace-nowrap text-ink-2 hover:bg-surface-2 hover:text-ink"
                  activeProps={{ className: 'bg-surface-3 !text-ink font-medium' }}
                >
                  <Icon size={16} aria-hidden />
                  {t(label)}
                </Link>
              ))}
            </div>
          ))}
        </nav>
        <div className="hidden lg:block">
          <Live />
        </div>
        <div className="ms-auto flex items-center gap-1 lg:ms-0 lg:border-t lg:border-line lg:pt-2">
          <p className="hidden min-w-0 flex-1 truncate px-2 text-xs text-ink-2 lg:block">{me.user.name}</p>
          <Theme />
          <IconButton
            label={t('user.signOut')}
            onClick={() =>
              void signOut(queries)
                .catch(() => undefined)
                .then(() => navigate({ to: '/login', search: { return_to: undefined } }))
            }
          >
            <LogOut size={16} aria-hidden />
          </IconButton>
        </div>
      </aside>
      {signedOut ? (
        <Suspense fallback={null}>
          <SignInAgain me={me} />
        </Suspense>
      ) : null}
      <main id="main" ref={main} tabIndex={-1} className="min-w-0 flex-1 p-4 outline-none lg:p-6">
        <div className="mx-auto max-w-[1120px]">
          <Stale />
          <Outlet />
        </div>
      </main>
    </div>
  )
}
