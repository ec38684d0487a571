/** Setting up, signing in and out, passwords and sessions of people. Whoever is a stranger learns nothing about who is known. */
import { z } from 'zod'
import { MAX_PASSWORD, MIN_PASSWORD } from '../access/index.ts'
import { pageOf, readCursor } from '../base/page.ts'
import { operation } from './operation.ts'
import { cursor, done, id, limit, name, page, time } from './shapes.ts'

const BROWSERS = { mcp: 'for people in a browser', cli: 'for people in a browser' }
export const email = z
  .string()
  .trim()
  .toLowerCase()
  .max(254) // RFC 5321 §4.5.3.1.3, without the brackets
  .pipe(z.email())
  .describe('e-mail address')
/** Whatever is sent to be compared: rules are for new ones. */
const password = z.string().min(1).max(MAX_PASSWORD).meta({ writeOnly: true })
export const newPassword = z
  .string()
  .min(MIN_PASSWORD, `a password has ${MIN_PASSWORD} characters or more`)
  .max(MAX_PASSWORD)
  .meta({ writeOnly: true })
export const linkToken = z.string().min(1).max(200).meta({ writeOnly: true }).describe('from the link')

const noted = { none: 'it is written to the log of each workspace of the person' }

export const setupState = operation({
  name: 'setup.get',
  http: 'GET /v1/setup',
  about: 'Whether the first owner is still to come.',
  scope: null,
  role: 'project_viewer',
  by: 'anyone',
  effect: 'read',
  audit: { none: 'says one word about the deployment' },
  hideFrom: BROWSERS,
  input: z.strictObject({}),
  output: z.object({ open: z.boolean() }),
  run: async ({ access }) => ({ open: await access.people.setupIsOpen() }),
})

export const setUp = operation({
  name: 'setup.finish',
  http: 'POST /v1/setup',
  about: 'Become the first owner, with the link that the start has printed. Closed for ever once there is one.',
  scope: null,
  role: 'project_viewer',
  by: 'anyone',
  effect: 'write',
  audit: noted,
  hideFrom: BROWSERS,
  input: z.strictObject({ token: linkToken, email, password: newPassword, name: name.optional(), workspace_name: name.optional() }),
  output: done,
  run: async ({ access }, { browser }, input) => {
    const given = { token: input.token, email: input.email, password: input.password, workspaceName: input.workspace_name }
    browser.keep(await access.people.setUp({ ...given, name: input.name ?? nameOf(input.email) }, browser.from))
    return { ok: true as const }
  },
})

export const signIn = operation({
  name: 'auth.sign_in',
  http: 'POST /v1/auth/sign-in',
  about: 'Begin a session with e-mail and password. The session is in a cookie.',
  scope: null,
  role: 'project_viewer',
  by: 'anyone',
  effect: 'write',
  audit: noted,
  hideFrom: BROWSERS,
  input: z.strictObject({ email, password }),
  output: done,
  run: async ({ access }, { browser }, input) => {
    browser.keep(await access.people.signIn(input, browser.from))
    return { ok: true as const }
  },
})

export const signOut = operation({
  name: 'auth.sign_out',
  http: 'POST /v1/auth/sign-out',
  about: 'End this session.',
  scope: null,
  role: 'project_viewer',
  by: 'anyone',
  effect: 'write',
  audit: noted,
  hideFrom: BROWSERS,
  input: z.strictObject({}),
  output: done,
  run: async ({ access }, { browser }) => {
    if (browser.token !== null) await access.people.signOut(browser.token, browser.from)
    browser.forget()
    return { ok: true as const }
  },
})

export const forgot = operation({
  name: 'auth.forgot_password',
  http: 'POST /v1/auth/forgot-password',
  about: 'Have a link for a new password sent, where mail is set up. The answer is the same for everybody.',
  scope: null,
  role: 'project_viewer',
  by: 'anyone',
  effect: 'write',
  audit: { none: 'strangers ask this too; the reset itself is written down' },
  hideFrom: BROWSERS,
  input: z.strictObject({ email }),
  output: done,
  run: async ({ access }, { browser }, input) => {
    access.people.forgot(input.email, browser.from)
    return { ok: true as const }
  },
})

export const reset = operation({
  name: 'auth.reset_password',
  http: 'POST /v1/auth/reset-password',
  about: 'Set a new password with a link. It works once and for an hour, and ends every session of the person.',
  scope: null,
  role: 'project_viewer',
  by: 'anyone',
  effect: 'write',
  audit: noted,
  hideFrom: BROWSERS,
  input: z.strictObject({ token: linkToken, password: newPassword }),
  output: done,
  run: async ({ access }, { browser }, input) => {
    await access.people.reset(input, browser.from)
    return { ok: true as const }
  },
})

export const changePassword = operation({
  name: 'auth.change_password',
  http: 'POST /v1/auth/change-password',
  about: 'Set a new password. Every other session of the person ends.',
  scope: null,
  role: 'project_viewer',
  by: 'session',
  effect: 'write',
  audit: noted,
  hideFrom: BROWSERS,
  input: z.strictObject({ current_password: password, new_password: newPassword }),
  output: done,
  run: async ({ access }, { caller, browser }, input) => {
    const passwords = { current: input.current_password, next: input.new_password }
    browser.keep(await access.people.changePassword(caller, passwords, browser.from))
    return { ok: true as const }
  },
})

export const sessions = operation({
  name: 'auth.sessions',
  http: 'GET /v1/auth/sessions',
  about: 'Where you are signed in.',
  scope: null,
  role: 'project_viewer',
  by: 'session',
  effect: 'read',
  audit: { none: 'shows people their own sessions' },
  hideFrom: BROWSERS,
  input: z.strictObject({ limit, cursor }),
  output: page(
    z.object({
      id: z.string(),
      current: z.boolean(),
      created_at: time,
      last_used_at: time,
      ends_at: time,
      user_agent: z.string().nullable(),
      ip: z.string().nullable(),
    }),
  ),
  run: async ({ access }, { caller }, input) =>
    pageOf(
      await access.people.sessionsOf(caller, input.limit + 1, readCursor(input.cursor)),
      input.limit,
      (s) => s.id,
      (s) => s,
    ),
})

export const endSession = operation({
  name: 'auth.end_session',
  http: 'DELETE /v1/auth/sessions/{id}',
  about: 'End one of your sessions.',
  scope: null,
  role: 'project_viewer',
  by: 'session',
  effect: 'destroy',
  audit: noted,
  hideFrom: BROWSERS,
  input: z.strictObject({ id: id('session') }),
  output: done,
  run: async ({ access }, { caller, browser }, input) => {
    await access.people.endSession(caller, input.id, browser.from)
    if (input.id === caller.sessionId) browser.forget()
    return { ok: true as const }
  },
})

export const endOtherSessions = operation({
  name: 'auth.end_other_sessions',
  http: 'DELETE /v1/auth/sessions',
  about: 'End all of your sessions but this one.',
  scope: null,
  role: 'project_viewer',
  by: 'session',
  effect: 'destroy',
  audit: noted,
  hideFrom: BROWSERS,
  input: z.strictObject({}),
  output: z.object({ ended: z.number() }),
  run: async ({ access }, { caller, browser }) => ({ ended: await access.people.endOtherSessions(caller, browser.from) }),
})

/** `ada@example.com` is called ada until she says something else. */
const nameOf = (address: string): string => address.split('@')[0] ?? address
