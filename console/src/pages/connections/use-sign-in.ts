/** From a click to the provider and back: where it stands, as far as this page knows. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useRef, useState } from 'react'
import { call } from '../../api.ts'
import { connectionQuery } from '../../queries.ts'
import { type Ended, type Link, onHurry, openWindow, remember } from './popup.ts'

/** What a sign-in may ask for besides what its button says. */
export interface Wish {
  scopes?: string[]
  return_to?: string
  other_account?: 'new_connection'
  /** The connection that has come of the sign-in before, which is widened now. */
  connection_id?: string
}
const LOOK_MS = 2_000
/** A window that seems closed for that long gets a question, and is no failure. */
const SEEMS_CLOSED_MS = 3_000
const GLANCE_MS = 500

export type State =
  | { at: 'idle' | 'asking' }
  | { at: 'waiting'; link: Link; blocked: boolean; seemsClosed: boolean }
  | { at: 'failed'; ended: Ended; wish: Wish }
  /** It worked, but not for everything. */
  | { at: 'partial'; ended: Ended; missing: string[]; renewable: boolean }

interface Under {
  link: Link
  blocked: boolean
  wish: Wish
}

export function useSignIn(props: { ask: (wish: Wish) => Promise<Link>; onDone: (ended: Ended, whole: boolean) => void }) {
  const queries = useQueryClient()
  const opened = useRef<Window | null>(null)
  const [under, setUnder] = useState<Under | null>(null)
  const [state, setState] = useState<State>({ at: 'idle' })
  const [seemsClosed, setSeemsClosed] = useState(false)

  const begin = useMutation({
    mutationFn: async ({ wish, window: w }: { wish: Wish; window: Window | null }) => {
      const link = await props.ask(wish).catch((error: unknown) => {
        w?.close()
        throw error
      })
      if (w) w.location.href = link.authorization_url
      opened.current = w
      return { link, blocked: w === null, wish }
    },
    onMutate: () => {
      setSeemsClosed(false)
      setState({ at: 'asking' })
    },
    onSuccess: setUnder,
    onError: () => setState({ at: 'idle' }),
  })
  const inThisTab = useMutation({
    mutationFn: (wish: Wish) => props.ask({ ...wish, return_to: location.pathname + location.search }),
    onSuccess: (link) => {
      remember(link.attempt_id)
      location.assign(link.authorization_url)
    },
  })

  const attemptId = under?.link.attempt_id ?? null
  const attempt = useQuery({
    queryKey: ['oauth-attempts', attemptId],
    queryFn: ({ signal }) => call('oauth.attempt', { id: attemptId as string }, { signal }),
    enabled: attemptId !== null,
    refetchInterval: (query) => (query.state.data && query.state.data.status !== 'pending' ? false : LOOK_MS),
  })
  const look = attempt.refetch
  useEffect(() => (attemptId === null ? undefined : onHurry(() => void look())), [attemptId, look])

  const done = useRef(props.onDone)
  done.current = props.onDone
  const settle = useCallback(
    async (ended: Ended, link: Link, wish: Wish) => {
      await queries.invalidateQueries({ queryKey: ['connections'] })
      await queries.invalidateQueries({ queryKey: ['instances'] })
      if (ended.status === 'failed') return setState({ at: 'failed', ended, wish })
      const made = ended.connection_id ? await queries.fetchQuery({ ...connectionQuery(ended.connection_id), staleTime: 0 }) : null
      const granted = made?.granted_scopes ?? null
      const missing = granted === null ? [] : link.scopes.filter((s) => !granted.includes(s))
      const renewable = made?.oauth?.renewable ?? true
      if (missing.length === 0 && renewable) {
        setState({ at: 'idle' })
        done.current(ended, true)
      } else setState({ at: 'partial', ended, missing, renewable })
    },
    [queries],
  )
  const ended = attempt.data
  useEffect(() => {
    if (!under || !ended || ended.status === 'pending') return
    opened.current = null
    setUnder(null)
    void settle(ended, under.link, under.wish)
  }, [ended, under, settle])

  // A list that has learned of it first may take this button away, because nothing is missing any more. How it ended is said all the same.
  const open = useRef<Under | null>(null)
  open.current = under
  useEffect(
    () => () => {
      const left = open.current
      if (!left) return
      void call('oauth.attempt', { id: left.link.attempt_id }).then(
        (it) => (it.status === 'done' ? settle(it, left.link, left.wish) : undefined),
        () => undefined,
      )
    },
    [settle],
  )

  useEffect(() => {
    if (!under || under.blocked) return
    let since: number | null = null
    const timer = setInterval(() => {
      if (opened.current?.closed === false) since = null
      else since ??= Date.now()
      setSeemsClosed(since !== null && Date.now() - since >= SEEMS_CLOSED_MS)
    }, GLANCE_MS)
    return () => clearInterval(timer)
  }, [under])

  return {
    state: under ? ({ at: 'waiting', link: under.link, blocked: under.blocked, seemsClosed } satisfies State) : state,
    error: begin.error ?? inThisTab.error,
    /** In the click itself. */
    start: (wish: Wish = {}) => begin.mutate({ wish, window: openWindow() }),
    goInThisTab: () => inThisTab.mutate(under?.wish ?? {}),
    look: () => void look(),
    /** To the same page again, in a window that is opened now. */
    openAgain: () => {
      if (!under) return
      opened.current = openWindow()
      setSeemsClosed(false)
      if (opened.current) opened.current.location.href = under.link.authorization_url
    },
    cancel: () => {
      setUnder(null)
      setState({ at: 'idle' })
    },
    accept: (it: Ended) => {
      setState({ at: 'idle' })
      props.onDone(it, false)
    },
  }
}
