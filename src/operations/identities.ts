/** Accounts at OpenID providers that let a person in. */
import { z } from 'zod'
import { pageOfOurs } from './elsewhere.ts'
import { operation } from './operation.ts'
import { done, page, time } from './shapes.ts'

const BROWSERS = { mcp: 'for people in a browser', cli: 'for people in a browser' }
const slug = z.string().max(60).describe('the provider, as the operator has named it')
const returnTo = z.string().max(2_000).optional().describe('a page of the Console')
const way = z.object({ url: z.string().describe('where to send the browser') })

export const providers = operation({
  name: 'auth.providers',
  http: 'GET /v1/auth/providers',
  about: 'By way of which OpenID providers people can sign in here.',
  scope: null,
  role: 'project_viewer',
  by: 'anyone',
  effect: 'read',
  audit: { none: 'the same for everybody' },
  hideFrom: BROWSERS,
  input: z.strictObject({}),
  output: page(z.object({ slug: z.string(), title: z.string(), issuer: z.string() })),
  run: async ({ elsewhere }) => ({ items: elsewhere.providers(), next_cursor: null }),
})

export const start = operation({
  name: 'auth.start_with',
  http: 'POST /v1/auth/providers/{slug}/start',
  about: 'Begin to sign in by way of a provider. It lets in whoever has linked that account before.',
  scope: null,
  role: 'project_viewer',
  by: 'anyone',
  effect: 'write',
  audit: { none: 'strangers ask this too; the session that begins is written down' },
  hideFrom: BROWSERS,
  input: z.strictObject({ slug, return_to: returnTo }),
  output: way,
  run: async ({ elsewhere }, { browser }, input) => ({
    url: await elsewhere.begin(input.slug, browser, { userId: null, returnTo: pageOfOurs(input.return_to) }),
  }),
})

export const link = operation({
  name: 'auth.link_with',
  http: 'POST /v1/auth/providers/{slug}/link',
  about: 'Begin to link an account at a provider, to sign in by way of it from then on.',
  scope: null,
  role: 'project_viewer',
  by: 'session',
  effect: 'write',
  audit: { none: 'what is linked in the end is written down' },
  hideFrom: BROWSERS,
  input: z.strictObject({ slug, return_to: returnTo }),
  output: way,
  run: async ({ elsewhere }, { browser, caller }, input) => ({
    url: await elsewhere.begin(input.slug, browser, { userId: caller.userId, returnTo: pageOfOurs(input.return_to) }),
  }),
})

export const list = operation({
  name: 'auth.identities',
  http: 'GET /v1/auth/identities',
  about: 'Your accounts at providers that let you in.',
  scope: null,
  role: 'project_viewer',
  by: 'session',
  effect: 'read',
  audit: { none: 'shows people their own accounts' },
  hideFrom: BROWSERS,
  input: z.strictObject({}),
  output: page(z.object({ issuer: z.string(), email: z.string().nullable(), created_at: time })),
  run: async ({ access }, { caller }) => ({ items: await access.identities.list(caller.userId), next_cursor: null }),
})

export const unlink = operation({
  name: 'auth.unlink',
  http: 'DELETE /v1/auth/identities/{slug}',
  about: 'Unlink your account at a provider.',
  scope: null,
  role: 'project_viewer',
  by: 'session',
  effect: 'destroy',
  audit: { none: 'it is written to the log of each workspace of the person' },
  hideFrom: BROWSERS,
  input: z.strictObject({ slug }),
  output: done,
  run: async ({ access, elsewhere }, { caller, browser }, input) => {
    await access.identities.unlink(caller, elsewhere.issuerOf(input.slug), browser.from)
    return { ok: true as const }
  },
})
