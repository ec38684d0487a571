/**
 * Hears from the server what has changed, and has it read again. One stream serves all tabs of a browser, for a server that speaks
 * HTTP/1.1 has six connections for it: the tab that holds the lock reads, and tells the others.
 */
import type { QueryClient } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'
import { headersOfPlace } from './api.ts'
import { setSignedOut } from './session.ts'

export type LiveState = 'live' | 'connecting' | 'polling'
/** Waits between tries, in seconds; half of each is chance. */
const BACKOFF_S = [1, 2, 4, 8, 15]
/** After so many tries in vain pages are read again by the clock. */
const POLL_AFTER = 3
const POLL_MS = 5_000
/** Nothing for so long, not even a heartbeat: the connection is dead without saying so. */
const SILENCE_MS = 35_000
/** Changes within this time are one. */
const GATHER_MS = 100

let state: LiveState = 'connecting'
const watchers = new Set<() => void>()
const listeners = new Set<(topic: string) => void>()
/** When it was live last. */
let liveUntil = Date.now()
export const lastLive = (): string => new Date(liveUntil).toISOString()
const become = (next: LiveState): void => {
  if (state === 'live') liveUntil = Date.now()
  state = next
  for (const tell of watchers) tell()
}
export const useLiveState = (): LiveState =>
  useSyncExternalStore(
    (tell) => {
      watchers.add(tell)
      return () => watchers.delete(tell)
    },
    () => state,
  )
/** For lists that must not move under the person's hand: they decide themselves what to do with a change. */
export function onChange(listen: (topic: string) => void): () => void {
  listeners.add(listen)
  return () => void listeners.delete(listen)
}

type Message = { changed: string[] } | { state: LiveState }

/** Until `signal` ends it. */
export function hear(queries: QueryClient, signal: AbortSignal): void {
  const place = headersOfPlace()
  const name = `agentruntime-changes-${place['x-project-id'] ?? ''}`
  const channel = new BroadcastChannel(name)
  signal.addEventListener('abort', () => channel.close())
  const gathered = new Set<string>()
  const apply = (message: Message): void => {
    if ('state' in message) {
      become(message.state)
      return
    }
    if (gathered.size === 0)
      setTimeout(() => {
        for (const topic of gathered) {
          // Lists stay as they are until somebody asks for what is new.
          void queries.invalidateQueries({ queryKey: [topic], predicate: (query) => query.queryKey[1] !== 'list' })
          for (const listen of listeners) listen(topic)
        }
        void queries.invalidateQueries({ queryKey: ['home'] })
        gathered.clear()
      }, GATHER_MS)
    for (const topic of message.changed) gathered.add(topic)
  }
  channel.onmessage = (event: MessageEvent<Message>) => apply(event.data)
  const tell = (message: Message): void => {
    if (signal.aborted) return
    channel.postMessage(message)
    apply(message)
  }
  navigator.locks.request(name, { signal }, () => lead(place, tell, signal)).catch(() => undefined)
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })

async function lead(place: Record<string, string>, tell: (message: Message) => void, signal: AbortSignal): Promise<void> {
  let mark = ''
  for (let failures = 0; !signal.aborted; failures++) {
    const opened = await read(place, mark, signal, (id, changed) => {
      // The first answer of all says that everything is new; the pages have just read it.
      if (mark !== '' && changed.length > 0) tell({ changed })
      mark = id
      failures = 0
      tell({ state: 'live' })
    }).catch(() => null)
    if (opened === 401) setSignedOut(true)
    if (signal.aborted || opened === 401 || opened === 403) return
    tell({ state: failures >= POLL_AFTER ? 'polling' : 'connecting' })
    if (failures >= POLL_AFTER) tell({ changed: ['connections', 'instances', 'workflows', 'runs', 'webhooks'] })
    const wait = failures >= POLL_AFTER ? POLL_MS : (BACKOFF_S[failures] ?? 15) * 1000
    await pause(wait / 2 + (Math.random() * wait) / 2, signal)
  }
}

/** One stream to its end. The status with which it was refused, else null. */
async function read(
  place: Record<string, string>,
  mark: string,
  signal: AbortSignal,
  each: (id: string, changed: string[]) => void,
): Promise<number | null> {
  const silent = new AbortController()
  let timer = setTimeout(() => silent.abort(), SILENCE_MS)
  const response = await fetch('/v1/stream', {
    headers: { accept: 'text/event-stream', ...place, ...(mark ? { 'last-event-id': mark } : {}) },
    signal: AbortSignal.any([signal, silent.signal]),
  })
  if (!response.ok || !response.body) return response.status
  let text = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream()) as unknown as AsyncIterable<string>) {
    clearTimeout(timer)
    timer = setTimeout(() => silent.abort(), SILENCE_MS)
    text += chunk
    const parts = text.split('\n\n')
    text = parts.pop() ?? ''
    for (const part of parts) {
      const id = /^id: ?(.*)$/m.exec(part)?.[1]
      const data = /^data: ?(.*)$/m.exec(part)?.[1]
      if (id !== undefined && data) each(id, (JSON.parse(data) as { changed: string[] }).changed)
    }
  }
  clearTimeout(timer)
  return null
}
