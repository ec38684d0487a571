import type { QueryClient } from '@tanstack/react-query'
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from '@tanstack/react-router'
import { Missing } from './pages/missing.tsx'
import { Shell } from './pages/shell.tsx'
import { isSignedOut, meQuery } from './session.ts'
import { Problem } from './ui/region.tsx'

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

const some = <T extends Record<string, string | undefined>>(all: T): { [K in keyof T]?: string } =>
  Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: string }
/** What of an address is a page's state. All of it may be left out. */
const words =
  <K extends string>(...names: K[]) =>
  (s: Record<string, unknown>) =>
    Object.fromEntries(names.map((name) => [name, text(s[name])])) as { [N in K]?: string | undefined }

const root = createRootRouteWithContext<{ queries: QueryClient }>()({ component: Outlet, notFoundComponent: Missing })

const setup = createRoute({
  getParentRoute: () => root,
  path: '/setup',
  component: lazyRouteComponent(() => import('./pages/sign/setup.tsx'), 'Setup'),
})
const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: (s: Record<string, unknown>): { return_to: string | undefined; problem?: string } => ({
    return_to: text(s.return_to),
    ...some({ problem: text(s.problem) }),
  }),
  component: lazyRouteComponent(() => import('./pages/sign/login.tsx'), 'Login'),
})
const invite = createRoute({
  getParentRoute: () => root,
  path: '/invite',
  component: lazyRouteComponent(() => import('./pages/sign/invite.tsx'), 'Invite'),
})
const reset = createRoute({
  getParentRoute: () => root,
  path: '/reset',
  component: lazyRouteComponent(() => import('./pages/sign/reset.tsx'), 'Reset'),
})
const forgot = createRoute({
  getParentRoute: () => root,
  path: '/forgot',
  component: lazyRouteComponent(() => import('./pages/sign/forgot.tsx'), 'Forgot'),
})
/** Everything that is for people who are signed in. */
const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  component: Shell,
  beforeLoad: async ({ context, location }) => {
    try {
      await context.queries.ensureQueryData(meQuery)
    } catch (error) {
      if (isSignedOut(error)) throw redirect({ to: '/login', search: { return_to: location.href } })
      throw error
    }
  },
  errorComponent: ({ error, reset }) => (
    <main className="mx-auto max-w-lg p-6">
      <Problem error={error} retry={reset} />
    </main>
  ),
  notFoundComponent: Missing,
})
const home = createRoute({
  getParentRoute: () => shell,
  path: '/',
  component: lazyRouteComponent(() => import('./pages/home/home.tsx'), 'Home'),
})
const connections = createRoute({
  getParentRoute: () => shell,
  path: '/connections',
  validateSearch: words('q', 'status', 'provider', 'c', 'tab', 'new', 'rotate'),
  component: lazyRouteComponent(() => import('./pages/connections/list.tsx'), 'Connections'),
})
const mcp = createRoute({
  getParentRoute: () => shell,
  path: '/mcp',
  validateSearch: words('tab', 'q', 'add', 'connection'),
  component: lazyRouteComponent(() => import('./pages/mcp/list.tsx'), 'Mcp'),
})
const server = createRoute({
  getParentRoute: () => shell,
  path: '/mcp/$server',
  component: lazyRouteComponent(() => import('./pages/mcp/server.tsx'), 'Server'),
})
const instance = createRoute({
  getParentRoute: () => shell,
  path: '/mcp/instances/$id',
  validateSearch: words('tool', 'profile', 'tab'),
  component: lazyRouteComponent(() => import('./pages/mcp/instance.tsx'), 'Instance'),
})
const runs = createRoute({
  getParentRoute: () => shell,
  path: '/runs',
  validateSearch: (s: Record<string, unknown>) => ({ status: text(s.status) }),
  component: lazyRouteComponent(() => import('./pages/runs/list.tsx'), 'Runs'),
})
const run = createRoute({
  getParentRoute: () => shell,
  path: '/runs/$workflow/$id',
  validateSearch: (s: Record<string, unknown>) => ({ tab: text(s.tab), step: text(s.step) }),
  component: lazyRouteComponent(() => import('./pages/runs/run.tsx'), 'Run'),
})
const workflows = createRoute({
  getParentRoute: () => shell,
  path: '/workflows',
  validateSearch: (s: Record<string, unknown>) => ({ q: text(s.q), show: text(s.show), new: text(s.new) }),
  component: lazyRouteComponent(() => import('./pages/workflows/list.tsx'), 'Workflows'),
})
const workflow = createRoute({
  getParentRoute: () => shell,
  path: '/workflows/$id',
  validateSearch: (s: Record<string, unknown>) => ({ view: text(s.view), step: text(s.step), panel: text(s.panel) }),
  component: lazyRouteComponent(() => import('./pages/workflows/editor.tsx'), 'WorkflowEditor'),
})

const settings = createRoute({
  getParentRoute: () => shell,
  path: '/settings',
  validateSearch: (
    s: Record<string, unknown>,
  ): { tab: string | undefined; hook?: string; actor?: string; action?: string; target?: string } => ({
    tab: text(s.tab),
    ...some({ hook: text(s.hook), actor: text(s.actor), action: text(s.action), target: text(s.target) }),
  }),
  component: lazyRouteComponent(() => import('./pages/settings/settings.tsx'), 'Settings'),
})

const tree = root.addChildren([
  setup,
  login,
  forgot,
  invite,
  reset,
  shell.addChildren([home, connections, mcp, server, instance, workflows, workflow, runs, run, settings]),
])

export const createAppRouter = (queries: QueryClient) =>
  createRouter({ routeTree: tree, context: { queries }, defaultPreload: 'intent', scrollRestoration: true })

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createAppRouter>
  }
}
