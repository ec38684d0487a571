/** Members of a workspace, what they may do, and the way in. For people who have signed in, and no token. */
import { z } from 'zod'
import { PROJECT_ROLES, WORKSPACE_ROLES } from '../access/index.ts'
import { fail } from '../base/errors.ts'
import { pageOf, readCursor } from '../base/page.ts'
import { operation } from './operation.ts'
import { cursor, done, id, limit, name, page, time } from './shapes.ts'
import { email, linkToken, newPassword } from './sign-ins.ts'

const PEOPLE = { mcp: 'for people who have signed in', cli: 'for people who have signed in' }
const GIVES_A_LINK = { mcp: 'its answer holds a link that lets somebody in', cli: 'for people who have signed in' }
const workspaceRole = z.enum(WORKSPACE_ROLES)
const projectRole = z.enum(PROJECT_ROLES)
const member = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string(),
  role: workspaceRole,
  project_roles: z.array(z.object({ project_id: z.string(), role: z.string() })).describe('owners and admins have theirs everywhere'),
  disabled: z.boolean(),
  created_at: time,
})
const invitation = z.object({
  id: z.string(),
  email: z.string(),
  role: workspaceRole,
  project_id: z.string().nullable(),
  project_role: z.string().nullable(),
  created_at: time,
  expires_at: time,
})
const invited = invitation.extend({ link: z.string().describe('shown once: whoever has it comes in'), mailed: z.boolean() })
const forNewcomer = z.strictObject({
  email,
  role: workspaceRole.default('member'),
  project_id: z.string().max(80).optional().describe('for a member: the project to work in'),
  project_role: projectRole.optional(),
})

export const list = operation({
  name: 'members.list',
  http: 'GET /v1/members',
  about: 'Who belongs to this workspace, with their roles.',
  scope: null,
  role: 'project_admin',
  by: 'session',
  reach: 'workspace',
  effect: 'read',
  audit: { none: 'shows names and roles to admins' },
  hideFrom: PEOPLE,
  input: z.strictObject({ limit, cursor }),
  output: page(member),
  run: ({ access }, { read }, input) =>
    read(async (tx) =>
      pageOf(
        await access.members.list(tx, input.limit + 1, readCursor(input.cursor)),
        input.limit,
        (m) => m.id,
        (m) => m,
      ),
    ),
})

export const update = operation({
  name: 'members.update',
  http: 'PATCH /v1/members/{id}',
  about: 'Change what a member may do, or end the work of one here. Their sessions end; a project role of null is taken away.',
  scope: null,
  role: 'project_admin',
  by: 'session',
  reach: 'workspace',
  effect: 'write',
  audit: { log: 'member.changed' },
  hideFrom: PEOPLE,
  input: z.strictObject({
    id: id('member'),
    role: workspaceRole.optional(),
    disabled: z.boolean().optional(),
    project_roles: z
      .array(z.strictObject({ project_id: z.string().max(80), role: projectRole.nullable() }))
      .max(100)
      .optional(),
  }),
  output: member,
  run: async ({ access }, { caller, act }, { id: userId, ...input }) => {
    const changed = await act(
      (tx) => access.members.change(tx, caller, userId, input),
      () => ({ target: userId, details: input }),
    )
    await access.endAll(userId)
    return changed
  },
})

export const remove = operation({
  name: 'members.remove',
  http: 'DELETE /v1/members/{id}',
  about: 'Take somebody out of this workspace. Their tokens here and their sessions end.',
  scope: null,
  role: 'workspace_admin',
  by: 'session',
  reach: 'workspace',
  effect: 'destroy',
  audit: { log: 'member.removed' },
  hideFrom: PEOPLE,
  input: z.strictObject({ id: id('member') }),
  output: z.object({ tokens_revoked: z.number() }),
  run: async ({ access }, { caller, act }, input) => {
    const gone = await act(
      (tx) => access.members.remove(tx, caller, input.id),
      (it) => ({ target: input.id, details: it }),
    )
    await access.endAll(input.id)
    return gone
  },
})

export const leave = operation({
  name: 'members.leave',
  http: 'POST /v1/members/leave',
  about: 'Leave this workspace. Your tokens here end, and you sign in again for the others.',
  scope: null,
  role: 'project_viewer',
  by: 'session',
  reach: 'workspace',
  effect: 'destroy',
  audit: { log: 'member.left' },
  hideFrom: PEOPLE,
  input: z.strictObject({ confirm: z.literal(true) }),
  output: z.object({ tokens_revoked: z.number() }),
  run: async ({ access }, { caller, act, browser }) => {
    const gone = await act(
      (tx) => access.members.remove(tx, caller, caller.userId),
      (it) => ({ target: caller.userId, details: it }),
    )
    await access.endAll(caller.userId)
    browser.forget()
    return gone
  },
})

export const resetLink = operation({
  name: 'members.reset_link',
  http: 'POST /v1/members/{id}/reset-link',
  about: 'A link for a new password, to hand to a member who cannot get mail from here. It works once, and for an hour.',
  scope: null,
  role: 'workspace_admin',
  by: 'session',
  reach: 'workspace',
  effect: 'write',
  audit: { none: 'it is written in the transaction that makes the link, which sees more than one tenant' },
  status: 201,
  hideFrom: GIVES_A_LINK,
  input: z.strictObject({ id: id('member') }),
  output: z.object({ link: z.string().describe('shown once'), expires_at: time }),
  run: async ({ access }, { caller, browser }, input) => {
    const { token, expiresAt } = await access.people.resetLinkFor(caller, input.id, browser.from)
    return { link: access.linkTo('/reset', token), expires_at: expiresAt.toISOString() }
  },
})

const invite = {
  scope: null,
  role: 'workspace_admin',
  by: 'session',
  reach: 'workspace',
  effect: 'write',
  audit: { log: 'invitation.created' },
  status: 201,
  hideFrom: GIVES_A_LINK,
  input: forNewcomer,
  output: invited,
} as const
const inviting: Parameters<typeof operation<typeof forNewcomer, typeof invited, 'invitations.create'>>[0]['run'] = async (
  { access },
  { caller, act, read },
  input,
) => {
  if ((input.project_id === undefined) !== (input.project_role === undefined))
    fail('INVALID_INPUT', 'project_id and project_role belong together')
  const made = await act(
    (tx) => access.invitations.invite(tx, caller, input),
    (it) => ({ target: it.invitation.id, details: { email: input.email, role: input.role } }),
  )
  const link = access.linkTo('/invite', made.token)
  return { ...made.invitation, link, mailed: await read((tx) => access.mailInvitation(tx, caller, input.email, link)) }
}

export const createInvitation = operation({
  name: 'invitations.create',
  http: 'POST /v1/invitations',
  about: 'Invite somebody by e-mail. The answer holds a link, once, that works once and for seven days.',
  ...invite,
  run: inviting,
})

export const add = operation({
  name: 'members.add',
  http: 'POST /v1/members',
  about: 'The same as an invitation: nobody becomes a member without having agreed.',
  ...invite,
  run: inviting,
})

export const listInvitations = operation({
  name: 'invitations.list',
  http: 'GET /v1/invitations',
  about: 'Invitations that are open, without their links.',
  scope: null,
  role: 'workspace_admin',
  by: 'session',
  reach: 'workspace',
  effect: 'read',
  audit: { none: 'shows who was invited to admins' },
  hideFrom: PEOPLE,
  input: z.strictObject({ limit, cursor }),
  output: page(invitation),
  run: ({ access }, { read }, input) =>
    read(async (tx) =>
      pageOf(
        await access.invitations.list(tx, input.limit + 1, readCursor(input.cursor)),
        input.limit,
        (it) => it.id,
        (it) => it,
      ),
    ),
})

export const withdrawInvitation = operation({
  name: 'invitations.withdraw',
  http: 'DELETE /v1/invitations/{id}',
  about: 'Withdraw an invitation: its link opens nothing any more.',
  scope: null,
  role: 'workspace_admin',
  by: 'session',
  reach: 'workspace',
  effect: 'destroy',
  audit: { log: 'invitation.withdrawn' },
  hideFrom: PEOPLE,
  input: z.strictObject({ id: id('invitation') }),
  output: done,
  run: async ({ access }, { act }, input) => {
    await act(
      (tx) => access.invitations.withdraw(tx, input.id),
      () => ({ target: input.id }),
    )
    return { ok: true as const }
  },
})

export const lookAtInvitation = operation({
  name: 'invitations.look',
  http: 'POST /v1/invitations/look',
  about: 'What a link invites to. POST, because what is in an address is kept in logs.',
  scope: null,
  role: 'project_viewer',
  by: 'anyone',
  effect: 'read',
  audit: { none: 'shows to whom it was sent what was sent' },
  hideFrom: PEOPLE,
  input: z.strictObject({ token: linkToken }),
  output: z.object({
    workspace: z.string(),
    email: z.string(),
    role: workspaceRole,
    has_account: z.boolean().describe('true: sign in as that person, then accept; false: accept with a new password'),
  }),
  run: ({ access }, { browser }, input) => access.invitations.look(input.token, browser.from),
})

export const acceptInvitation = operation({
  name: 'invitations.accept',
  http: 'POST /v1/invitations/accept',
  about: 'Come in. Somebody new chooses a password; somebody known has signed in before.',
  scope: null,
  role: 'project_viewer',
  by: 'anyone',
  effect: 'write',
  audit: { none: 'it is written to the log of each workspace of the person' },
  hideFrom: PEOPLE,
  input: z.strictObject({ token: linkToken, password: newPassword.optional(), name: name.optional() }),
  output: done,
  run: async ({ access }, { browser }, input) => {
    const { token, password, name: called } = input
    browser.keep(await access.invitations.accept({ token, password, name: called }, browser.token, browser.from))
    return { ok: true as const }
  },
})
