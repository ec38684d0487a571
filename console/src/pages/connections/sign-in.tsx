import { useQuery } from '@tanstack/react-query'
import { CircleAlert, TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { googleConfigQuery } from '../../queries.ts'
import { Button, buttonClass, type Look } from '../../ui/button.tsx'
import { CopyChip } from '../../ui/parts.tsx'
import { Problem } from '../../ui/region.tsx'
import { type Key, t } from '../../words/index.ts'
import { OriginGuard, useDetour } from './origin.tsx'
import type { Ended, Link } from './popup.ts'
import { type State, useSignIn, type Wish } from './use-sign-in.ts'

interface Props {
  label: string
  /** Who is signed in to, as people call it. */
  provider: string
  look?: Look
  size?: 'md' | 'sm'
  denied?: string | null
  disabled?: boolean
  /** A name for the button where several have the same words. */
  name?: string
  /** The button stands among others in a line; what is said of it gets a line of its own. */
  inline?: boolean
  /** The page says already why nothing can be begun here. */
  quiet?: boolean
  ask: (wish: Wish) => Promise<Link>
  /** `whole`: everything that was asked for was given. */
  onDone: (ended: Ended, whole: boolean) => void
}

/** A button that sends a person to the provider's page, and says how it went. */
export function SignIn(props: Props) {
  const { provider } = props
  const flow = useSignIn(props)
  const address = useQuery(googleConfigQuery)
  const elsewhere = useDetour()
  const { state } = flow
  return (
    <div className={props.inline ? 'contents' : 'flex min-w-0 flex-col items-start gap-2'}>
      <Button
        look={props.look ?? 'primary'}
        size={props.size ?? 'md'}
        denied={props.denied ?? null}
        busy={state.at === 'asking'}
        disabled={elsewhere !== null || props.disabled === true || state.at === 'waiting'}
        onClick={() => flow.start()}
      >
        {props.label}
        {props.name ? <span className="sr-only">{props.name}</span> : null}
      </Button>
      {elsewhere && !props.denied && !props.quiet ? <OriginGuard to={elsewhere} provider={provider} /> : null}
      <div
        aria-live="polite"
        className={`flex max-w-full min-w-0 flex-col items-start gap-2 text-sm empty:hidden ${props.inline ? 'order-last basis-full' : ''}`}
      >
        {state.at === 'waiting' ? <Waiting flow={flow} state={state} provider={provider} redirectUri={address.data?.redirect_uri} /> : null}
        {state.at === 'failed' ? <Failed flow={flow} state={state} provider={provider} /> : null}
        {state.at === 'partial' ? <Partial flow={flow} state={state} provider={provider} /> : null}
        {flow.error ? <Problem error={flow.error} retry={() => flow.start()} /> : null}
      </div>
    </div>
  )
}

type Flow = ReturnType<typeof useSignIn>
const Acts = ({ children }: { children: ReactNode }) => <div className="flex flex-wrap gap-2">{children}</div>

function Waiting(props: { flow: Flow; state: Extract<State, { at: 'waiting' }>; provider: string; redirectUri: string | undefined }) {
  const { flow, state, provider } = props
  return (
    <>
      <p className={state.blocked ? 'font-medium' : 'text-ink-2'}>
        {state.blocked ? t('signin.blocked') : state.seemsClosed ? t('signin.seemsClosed') : t('signin.waiting', { provider })}
      </p>
      <Acts>
        {state.blocked ? (
          <>
            <a href={state.link.authorization_url} target="_blank" rel="noopener opener" className={buttonClass('plain', 'sm')}>
              {t('signin.open')}
            </a>
            <Button size="sm" onClick={flow.goInThisTab}>
              {t('signin.thisTab')}
            </Button>
          </>
        ) : null}
        {state.seemsClosed && !state.blocked ? (
          <>
            <Button size="sm" onClick={flow.look}>
              {t('signin.imDone')}
            </Button>
            <Button size="sm" onClick={flow.openAgain}>
              {t('signin.openAgain')}
            </Button>
          </>
        ) : null}
        <Button size="sm" look="quiet" onClick={flow.cancel}>
          {t('action.cancel')}
        </Button>
      </Acts>
      {state.seemsClosed && props.redirectUri ? (
        <details className="text-xs text-ink-2">
          <summary className="cursor-pointer">{t('signin.mismatch')}</summary>
          <p className="py-1">{t('signin.mismatch.text', { provider })}</p>
          <CopyChip text={props.redirectUri} shown={props.redirectUri} />
        </details>
      ) : null}
    </>
  )
}

const AGAIN: Partial<Record<string, Key>> = {
  link_expired: 'signin.startAgain',
  link_unknown: 'signin.startAgain',
  link_used: 'signin.startAgain',
  other_browser: 'signin.startAgain',
  other_account: 'signin.switchAccount',
}
/** Signing in again does not help there: somebody has to mend something first. */
const FOR_ADMINS = new Set(['app_missing', 'app_refused', 'provider_error', 'wrong_issuer'])

function Failed({ flow, state, provider }: { flow: Flow; state: Extract<State, { at: 'failed' }>; provider: string }) {
  const { kind, text } = state.ended
  return (
    <div role="alert" className="flex max-w-full gap-2 rounded-md bg-danger-soft p-3">
      <CircleAlert size={16} className="mt-0.5 shrink-0 text-danger" aria-hidden />
      <div className="flex min-w-0 flex-col gap-2">
        <div>
          <p className="font-medium text-danger">{t(kind === null ? 'ending.unknown' : (`ending.${kind}` as Key), { provider })}</p>
          {text ? <p className="break-words text-ink-2">{text}</p> : null}
        </div>
        <Acts>
          <Button size="sm" onClick={() => flow.start(state.wish)}>
            {t(AGAIN[kind ?? ''] ?? 'signin.tryAgain')}
          </Button>
          {kind === 'other_account' ? (
            <Button size="sm" onClick={() => flow.start({ ...state.wish, other_account: 'new_connection' })}>
              {t('signin.asNew')}
            </Button>
          ) : null}
          {FOR_ADMINS.has(kind ?? '') ? <CopyChip text={`${kind}: ${text ?? ''}`} shown={t('signin.details')} /> : null}
          <Button size="sm" look="quiet" onClick={flow.cancel}>
            {t('action.close')}
          </Button>
        </Acts>
      </div>
    </div>
  )
}

function Partial({ flow, state, provider }: { flow: Flow; state: Extract<State, { at: 'partial' }>; provider: string }) {
  const { ended, missing, renewable } = state
  return (
    <div role="alert" className="flex max-w-full gap-2 rounded-md bg-warn-soft p-3">
      <TriangleAlert size={16} className="mt-0.5 shrink-0 text-warn" aria-hidden />
      <div className="flex min-w-0 flex-col gap-2">
        <p className="font-medium text-warn">{t(missing.length > 0 ? 'signin.partial' : 'signin.shortLived', { provider })}</p>
        <ul className="flex flex-col gap-1 break-words text-ink-2">
          {ended.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
        <Acts>
          <Button size="sm" onClick={() => flow.start({ ...(missing.length > 0 ? { scopes: missing } : {}), ...again(ended) })}>
            {t(missing.length > 0 ? 'signin.askAgain' : 'signin.askLonger')}
          </Button>
          <Button size="sm" look="quiet" onClick={() => flow.accept(ended)}>
            {t(renewable ? 'signin.keepWithout' : 'signin.keepAsIs')}
          </Button>
        </Acts>
      </div>
    </div>
  )
}

const again = (ended: Ended): Wish => (ended.connection_id ? { connection_id: ended.connection_id } : {})
