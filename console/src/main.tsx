import './theme.css'
import { CSPProvider } from '@base-ui/react/csp-provider'
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { lazy, StrictMode, Suspense, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { Refusal } from './api.ts'
import { createAppRouter } from './router.tsx'
import { wanted } from './ui/toast.tsx'
import { isSignedOut, meQuery, setSignedOut } from './session.ts'

/** A short absence of the server is bridged; an answer, whatever it says, is an answer. */
const TRIES = 2
/** What was read a moment ago is shown while it is read again. */
const FRESH_MS = 2_000

/** Below the shell a person signs in again over the page, and keeps what is there. Whoever has not come in yet is sent to the door. */
const onError = (error: unknown): void => {
  if (isSignedOut(error) && queries.getQueryData(meQuery.queryKey)) setSignedOut(true)
}
const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError }),
  mutationCache: new MutationCache({ onError }),
  defaultOptions: {
    queries: { staleTime: FRESH_MS, retry: (failures, error) => failures < TRIES && !(error instanceof Refusal) },
  },
})
const ToastHost = lazy(() => import('./ui/toasts.tsx'))
function Toasts() {
  const [needed, setNeeded] = useState(false)
  useEffect(() => void wanted.then(() => setNeeded(true)), [])
  return needed ? (
    <Suspense fallback={null}>
      <ToastHost />
    </Suspense>
  ) : null
}
const router = createAppRouter(queries)
const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <CSPProvider {...(nonce ? { nonce } : {})}>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
        <Toasts />
      </QueryClientProvider>
    </CSPProvider>
  </StrictMode>,
)
