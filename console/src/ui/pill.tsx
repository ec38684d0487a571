import {
  Ban,
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleSlash,
  CircleX,
  Hourglass,
  KeyRound,
  LoaderCircle,
  type LucideIcon,
  Pause,
  TriangleAlert,
} from 'lucide-react'
import { type Key, t } from '../words/index.ts'

const TONES = {
  ok: 'bg-ok-soft text-ok',
  accent: 'bg-accent-soft text-accent',
  wait: 'bg-wait-soft text-wait',
  warn: 'bg-warn-soft text-warn',
  danger: 'bg-danger-soft text-danger',
  plain: 'bg-surface-2 text-ink-2',
}
export type Tone = keyof typeof TONES

export function Pill({ tone, icon: Icon, title, children }: { tone: Tone; icon: LucideIcon; title?: string; children: string }) {
  return (
    <span
      title={title}
      className={`inline-flex h-5 items-center gap-1 rounded-full px-2 text-xs font-medium whitespace-nowrap ${TONES[tone]}`}
    >
      <Icon size={12} strokeWidth={2} aria-hidden />
      {children}
    </span>
  )
}

/** Icon, word and colour together: none of them says it alone. */
const CONNECTION: Record<string, [Tone, LucideIcon]> = {
  active: ['ok', CircleCheck],
  unverified: ['plain', CircleDashed],
  degraded: ['warn', TriangleAlert],
  reconnect: ['danger', CircleAlert],
  needs_scopes: ['warn', KeyRound],
  misconfigured: ['danger', CircleX],
  disabled: ['plain', Ban],
}
const RUN: Record<string, [Tone, LucideIcon]> = {
  queued: ['plain', CircleDashed],
  running: ['accent', LoaderCircle],
  paused: ['wait', Pause],
  draining: ['warn', Hourglass],
  completed: ['ok', CircleCheck],
  failed: ['danger', CircleX],
  stopped: ['plain', CircleSlash],
}
const UNKNOWN: [Tone, LucideIcon] = ['plain', CircleDashed]

/** From then on people are told that an end comes near. */
const SOON_DAYS = 14
const DAY_MS = 86_400_000

/** `why`: the evidence, for whoever rests on it. */
export function ConnectionStatus({ status, why = null, ends = null }: { status: string; why?: string | null; ends?: string | null }) {
  const [tone, icon] = CONNECTION[status] ?? UNKNOWN
  const days = ends === null ? null : Math.ceil((Date.parse(ends) - Date.now()) / DAY_MS)
  if (status === 'active' && days !== null && days <= SOON_DAYS)
    return (
      <Pill tone="warn" icon={Hourglass}>
        {t('status.ends', { n: Math.max(days, 0) })}
      </Pill>
    )
  return (
    <Pill tone={tone} icon={icon} {...(why ? { title: why } : {})}>
      {t(`status.${status}` as Key)}
    </Pill>
  )
}
export const Rotating = ({ why }: { why: string }) => (
  <Pill tone="accent" icon={KeyRound} title={why}>
    {t('status.rotating')}
  </Pill>
)
export function RunStatus({ status }: { status: string }) {
  const [tone, icon] = RUN[status] ?? UNKNOWN
  return (
    <Pill tone={tone} icon={icon}>
      {t(`run.status.${status}` as Key)}
    </Pill>
  )
}
