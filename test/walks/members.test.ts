/** Workspaces and who is in them: invited, promoted, cut back, shown out; and what nobody may do to the last owner. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { newcomer, owner, PASSWORD, type Person, person, tokenIn } from './person.ts'
import { asking } from './tenants.ts'

let rt: TestRuntime
let ada: Person // the first owner
let project: string
let workspace: { id: string; slug: string }

beforeAll(async () => {
  rt = await runtime()
  ada = await owner(rt)
  const me = await ada.ok('GET', '/v1/me')
  project = me.project_id
  workspace = me.workspace
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
})

const idOf = async (who: Person): Promise<string> => (await who.ok('GET', '/v1/me')).user.id
const contributor = () => ({ project_id: project, project_role: 'project_contributor' })
const signIn = (email: string, password = PASSWORD): [Person, Promise<unknown>] => {
  const it = person(rt, email)
  return [it, it.ok('POST', '/v1/auth/sign-in', { email, password })]
}

describe('an invitation', () => {
  it('[members.invitation] is a link for one address: shown once, looked at, used once, and signed in with', async () => {
    const made = await ada.ok('POST', '/v1/invitations', { email: 'Bo@Example.com', ...contributor() })
    expect(made).toMatchObject({ email: 'bo@example.com', role: 'member', project_role: 'project_contributor', mailed: false })
    expect(made.link).toMatch(new RegExp(`^${rt.url}/invite#t=[\\w-]{32}$`))
    const open = await ada.ok('GET', '/v1/invitations')
    expect(open.items.map((i: { id: string }) => i.id)).toEqual([made.id])
    expect(JSON.stringify(open)).not.toContain(tokenIn(made.link))

    const bo = person(rt, 'bo@example.com')
    const token = tokenIn(made.link)
    expect(await bo.ok('POST', '/v1/invitations/look', { token })).toEqual({
      workspace: 'Default workspace',
      email: 'bo@example.com',
      role: 'member',
      has_account: false,
    })
    expect((await bo.api('POST', '/v1/invitations/accept', { token, password: 'too short' })).status).toBe(400)
    await bo.ok('POST', '/v1/invitations/accept', { token, name: 'Bo', password: PASSWORD })
    expect(await bo.ok('GET', '/v1/me')).toMatchObject({
      kind: 'session',
      user: { name: 'Bo', email: 'bo@example.com' },
      role: 'project_contributor',
    })
    for (const path of ['look', 'accept']) {
      const again = await person(rt).api('POST', `/v1/invitations/${path}`, path === 'look' ? { token } : { token, password: PASSWORD })
      expect([again.status, again.body.code]).toEqual([404, 'NOT_FOUND'])
    }
    expect((await ada.ok('GET', '/v1/invitations')).items).toEqual([])
    expect((await ada.ok('GET', '/v1/audit?limit=3')).items.map((e: { action: string }) => e.action)).toEqual([
      'invitation.accepted',
      'invitation.created',
      'owner.set_up',
    ])
  })

  it('[members.invitation] lets nobody else in: not whoever is signed in as another, and not twice at once', async () => {
    const [bo, signedIn] = signIn('bo@example.com')
    await signedIn
    const mine = person(rt)
    const { link } = await ada.ok('POST', '/v1/invitations', { email: 'cy@example.com', role: 'admin' })
    // A link is for an address: with it one becomes that person, and not more oneself.
    await bo.ok('POST', '/v1/invitations/look', { token: tokenIn(link) })
    const both = await Promise.all(
      [mine, person(rt)].map((who) => who.api('POST', '/v1/invitations/accept', { token: tokenIn(link), password: PASSWORD })),
    )
    expect(both.map((it) => it.status).sort()).not.toEqual([200, 200])
    const other = await ada.ok('POST', '/v1/invitations', { email: 'bo@example.com', role: 'admin' })
    const stranger = await person(rt).api('POST', '/v1/invitations/accept', {
      token: tokenIn(other.link),
      password: 'a password of somebody else',
    })
    expect([stranger.status, stranger.body.hint]).toEqual([401, 'Sign in as that person, then open the link again.'])
    const [cy, cySignedIn] = signIn('cy@example.com')
    await cySignedIn
    expect((await cy.api('POST', '/v1/invitations/accept', { token: tokenIn(other.link) })).status).toBe(401)
    expect((await bo.ok('GET', '/v1/me')).role).toBe('project_contributor')
  })

  it('[members.invitation] that is withdrawn opens nothing, and neither does one of somebody who is gone', async () => {
    const { id, link } = await ada.ok('POST', '/v1/members', { email: 'nobody@example.com' })
    await ada.ok('DELETE', `/v1/invitations/${id}`)
    expect((await person(rt).api('POST', '/v1/invitations/look', { token: tokenIn(link) })).status).toBe(404)
    const dora = await newcomer(rt, ada, 'dora', { role: 'admin' })
    const byDora = await dora.ok('POST', '/v1/invitations', { email: 'nobody@example.com' })
    await ada.ok('DELETE', `/v1/members/${await idOf(dora)}`)
    expect((await person(rt).api('POST', '/v1/invitations/look', { token: tokenIn(byDora.link) })).status).toBe(404)
  })

  it('[members.privilege] another say is another session: the token before is worth nothing', async () => {
    const [eve, signedIn] = [await newcomer(rt, ada, 'eve', contributor()), null]
    expect(signedIn).toBe(null)
    const made = await eve.api('GET', '/v1/me')
    expect(made.status).toBe(200)
    // Eve makes no workspace: that is for owners. Ada makes one and invites her there.
    expect((await eve.api('POST', '/v1/workspaces', { name: 'Mine' })).status).toBe(403)
    const second = await ada.ok('POST', '/v1/workspaces', { name: 'Second & more' })
    expect(second).toMatchObject({ slug: 'second-more', role: 'owner' })
    const there = { 'x-tenant-id': second.slug, 'x-project-id': second.project_id }
    const { link } = await ada.ok('POST', '/v1/invitations', { email: eve.email, role: 'admin' }, there)
    const before = eve.headers().cookie as string
    await eve.ok('POST', '/v1/invitations/accept', { token: tokenIn(link) })
    expect(eve.headers().cookie).not.toBe(before)
    expect((await person(rt, '', before).api('GET', '/v1/me')).status).toBe(401)
    const me = await eve.ok('GET', '/v1/me')
    expect(me.workspaces.map((w: { slug: string; role: string }) => `${w.slug} ${w.role}`)).toEqual(['default member', 'second-more admin'])
    expect((await eve.ok('GET', '/v1/me', undefined, there)).role).toBe('workspace_admin')
    expect((await ada.ok('GET', '/v1/audit', undefined, there)).items.map((e: { action: string }) => e.action)).toEqual([
      'invitation.accepted',
      'invitation.created',
      'workspace.created',
    ])
    // In the one she is an admin, in the other she is not.
    expect((await eve.api('GET', '/v1/invitations', undefined, there)).status).toBe(200)
    expect((await eve.api('GET', '/v1/invitations', undefined, { 'x-tenant-id': workspace.slug })).status).toBe(403)
  })
})

describe('a member', () => {
  it('[members.privilege] who gets another role is signed out, and works with the new one from then on', async () => {
    const fay = await newcomer(rt, ada, 'fay', contributor())
    const id = await idOf(fay)
    const { token } = await fay.ok('POST', '/v1/pats', { display_name: 'fay', scopes: ['workflow:read', 'workflow:write'] })
    const program = asking(rt, token)
    expect((await program.api('POST', '/v1/workflows', { name: 'W', graph: { steps: [] } })).status).toBe(201)
    await ada.ok('PATCH', `/v1/members/${id}`, { project_roles: [{ project_id: project, role: 'project_viewer' }] })
    expect((await fay.api('GET', '/v1/me')).status).toBe(401)
    const [again, signedIn] = signIn(fay.email)
    await signedIn
    expect((await again.ok('GET', '/v1/me')).role).toBe('project_viewer')
    await until(
      async () => (await program.api('POST', '/v1/workflows', { name: 'W', graph: { steps: [] } })).status === 403,
      'the token to shrink',
      1_500,
    )

    await ada.ok('PATCH', `/v1/members/${id}`, { disabled: true })
    await until(async () => (await program.api('GET', '/v1/workflows')).status === 401, 'the token to die', 1_500)
    const [, late] = signIn(fay.email)
    await late // the person is one still, and has nowhere to work
    await ada.ok('PATCH', `/v1/members/${id}`, { disabled: false })
    expect((await program.api('GET', '/v1/workflows')).status).toBe(200)
    expect(await ada.ok('DELETE', `/v1/members/${id}`)).toEqual({ tokens_revoked: 1 })
    expect((await program.api('GET', '/v1/workflows')).status).toBe(401)
    expect((await ada.api('PATCH', `/v1/members/${id}`, { disabled: true })).status).toBe(404)
  })

  it('[members.rank] nobody gives more than they have, or touches who has more', async () => {
    const gil = await newcomer(rt, ada, 'gil', { role: 'admin' })
    const hal = await newcomer(rt, ada, 'hal', { project_id: project, project_role: 'project_admin' })
    const ivy = await newcomer(rt, ada, 'ivy', contributor())
    const [a, g, h, i] = await Promise.all([ada, gil, hal, ivy].map(idOf))
    const second = (await ada.ok('POST', '/v1/projects', { name: 'Second' })).id
    const refusals: [Person, string, string, object | undefined, number][] = [
      [gil, 'PATCH', `/v1/members/${i}`, { role: 'owner' }, 403],
      [gil, 'PATCH', `/v1/members/${g}`, { role: 'owner' }, 403],
      [gil, 'PATCH', `/v1/members/${a}`, { role: 'member' }, 403],
      [gil, 'PATCH', `/v1/members/${a}`, { disabled: true }, 403],
      [gil, 'DELETE', `/v1/members/${a}`, undefined, 403],
      [gil, 'POST', `/v1/members/${a}/reset-link`, {}, 403],
      [gil, 'POST', '/v1/invitations', { email: 'x@example.com', role: 'owner' }, 403],
      [hal, 'PATCH', `/v1/members/${i}`, { role: 'admin' }, 403],
      [hal, 'PATCH', `/v1/members/${h}`, { role: 'admin' }, 403],
      [hal, 'PATCH', `/v1/members/${i}`, { project_roles: [{ project_id: second, role: 'project_viewer' }] }, 404],
      [hal, 'DELETE', `/v1/members/${i}`, undefined, 403],
      [hal, 'POST', '/v1/invitations', { email: 'x@example.com' }, 403],
      [ivy, 'GET', '/v1/members', undefined, 403],
      [ivy, 'PATCH', `/v1/members/${i}`, { project_roles: [{ project_id: project, role: 'project_admin' }] }, 403],
    ]
    const before = (await ada.ok('GET', '/v1/members')).items
    for (const [who, method, path, body, status] of refusals) {
      const answer = await who.api(method, path, body)
      expect(`${who.email} ${method} ${path} ${JSON.stringify(body)} ${answer.status}`).toBe(
        `${who.email} ${method} ${path} ${JSON.stringify(body)} ${status}`,
      )
    }
    expect((await ada.ok('GET', '/v1/members')).items).toEqual(before)
    // What they may do.
    await hal.ok('PATCH', `/v1/members/${i}`, { project_roles: [{ project_id: project, role: 'project_viewer' }] })
    await gil.ok('PATCH', `/v1/members/${i}`, {
      project_roles: [
        { project_id: second, role: 'project_viewer' },
        { project_id: project, role: null },
      ],
    })
    const [ivyAgain, signedIn] = signIn(ivy.email)
    await signedIn
    expect((await ivyAgain.ok('GET', '/v1/projects')).items).toEqual([
      { id: second, slug: 'second', name: 'Second', role: 'project_viewer' },
    ])
    expect((await ivyAgain.api('GET', '/v1/workflows', undefined, { 'x-project-id': project })).status).toBe(404)
  })

  it('[members.last-owner] the last owner can be neither demoted, disabled, removed, nor leave, not even two at once', async () => {
    const me = await idOf(ada)
    for (const [method, path, body] of [
      ['PATCH', `/v1/members/${me}`, { role: 'member' }],
      ['PATCH', `/v1/members/${me}`, { disabled: true }],
      ['DELETE', `/v1/members/${me}`, undefined],
      ['POST', '/v1/members/leave', { confirm: true }],
    ] as const) {
      const answer = await ada.api(method, path, body)
      expect(`${method} ${path} ${answer.status}`).toBe(`${method} ${path} 409`)
    }
    const jo = await newcomer(rt, ada, 'jo', { role: 'owner' })
    const both = await Promise.all([
      ada.api('POST', '/v1/members/leave', { confirm: true }),
      jo.api('POST', '/v1/members/leave', { confirm: true }),
    ])
    expect(both.map((it) => it.status).sort()).toEqual([200, 409])
    // Whoever stayed invites the other back: the walks after this need Ada as an owner.
    if (both[0]?.status === 200) {
      const { link } = await jo.ok('POST', '/v1/invitations', { email: ada.email, role: 'owner' }, { 'x-tenant-id': workspace.slug })
      await ada.ok('POST', '/v1/auth/sign-in', { email: ada.email, password: 'seventeen green bottles' })
      await ada.ok('POST', '/v1/invitations/accept', { token: tokenIn(link) })
    }
  })

  it('[members.reset-link] of this workspace alone gets a link from an admin, and one with other workspaces does not', async () => {
    const here = { 'x-tenant-id': workspace.slug }
    const kim = await newcomer(rt, ada, 'kim', contributor())
    const { link, expires_at } = await ada.ok('POST', `/v1/members/${await idOf(kim)}/reset-link`, {}, here)
    expect(Date.parse(expires_at) - Date.now()).toBeLessThanOrEqual(3_600_000)
    const next = 'twenty yellow kites'
    await person(rt).ok('POST', '/v1/auth/reset-password', { token: tokenIn(link), password: next })
    expect((await kim.api('GET', '/v1/me')).status).toBe(401)
    const [, old] = signIn(kim.email)
    await expect(old).rejects.toThrow(/401/)
    await signIn(kim.email, next)[1]

    const eve = (await ada.ok('GET', '/v1/members?limit=200', undefined, here)).items.find(
      (m: { email: string }) => m.email === 'eve@example.com',
    )
    const refused = await ada.api('POST', `/v1/members/${eve.id}/reset-link`, {}, here)
    expect([refused.status, refused.body.code]).toEqual([409, 'CONFLICT'])
    expect((await ada.api('POST', '/v1/members/user_none/reset-link', {}, here)).status).toBe(404)
  })
})

describe('places', () => {
  it('are named again by admins, keep their slug, and are nobody else’s to touch', async () => {
    const here = { 'x-tenant-id': workspace.slug }
    expect(await ada.ok('PATCH', `/v1/workspaces/${workspace.id}`, { name: 'Acme' }, here)).toMatchObject({ slug: 'default', name: 'Acme' })
    expect((await ada.ok('GET', '/v1/me', undefined, here)).workspace.name).toBe('Acme')
    const second = (await ada.ok('GET', '/v1/workspaces')).items.find((w: { slug: string }) => w.slug === 'second-more')
    // Ada owns it, and still: a request works in one workspace.
    expect((await ada.api('PATCH', `/v1/workspaces/${second.id}`, { name: 'Taken' }, here)).status).toBe(404)
    expect((await ada.api('POST', '/v1/projects', { name: 'Again', slug: 'second' }, here)).status).toBe(409)
    expect((await ada.api('POST', '/v1/workspaces', { name: 'X', slug: 'second-more' })).status).toBe(409)
    const elsewhere = await ada.ok('POST', '/v1/projects', { name: 'Over there' }, { 'x-tenant-id': 'second-more' })
    expect((await ada.api('PATCH', `/v1/projects/${elsewhere.id}`, { name: 'Taken' }, here)).status).toBe(404)
    expect((await ada.ok('GET', '/v1/projects', undefined, here)).items.map((p: { slug: string }) => p.slug).sort()).toEqual([
      'default',
      'second',
    ])
    expect(await ada.ok('GET', '/v1/audit/verify', undefined, here)).toMatchObject({ ok: true })
    // A token sees its own place.
    const { token } = await ada.ok('POST', '/v1/pats', { display_name: 'x', scopes: ['workflow:read'] }, here)
    expect((await asking(rt, token).ok('GET', '/v1/workspaces')).items.map((w: { slug: string }) => w.slug)).toEqual(['default'])
  })
})
