/**
 * Everybody asks for everything. What is expected is computed from what the operation says of itself: who, scope and role. Refused is
 * refused with the reason and one audit entry, and changes nothing; what is not yours is answered like what is not there.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROLES, type Role, SCOPES } from '../../src/access/index.ts'
import { type AnyOperation, operations, scopesOf } from '../../src/operations/index.ts'
import type { Provider } from '../fakes/provider.ts'
import { type Answer, runtime, type TestRuntime } from '../harness.ts'
import { ended } from './acts.ts'
import { newcomer, owner, type Person, person } from './person.ts'
import {
  asking,
  type Belongings,
  BODIES,
  belongings,
  pathOf,
  rowCounts,
  rowsOf,
  secondTenant,
  startGoogle,
  type Tenant,
} from './tenants.ts'

let google: Provider
let rt: TestRuntime
let ada: Person
let other: Tenant
let mine: Belongings
let theirs: Belongings
/** Of the same workspace, in another project. */
let beyond: Belongings
/** Asks for an operation at a path, in the project that is meant. */
type Ask = (method: string, path: string, body?: unknown) => Promise<Answer>
let here: Record<string, string>

beforeAll(async () => {
  google = await startGoogle()
  rt = await runtime({ allowPrivate: [google.url] })
  ada = await owner(rt)
  const me = await ada.ok('GET', '/v1/me')
  here = { 'x-tenant-id': me.workspace.slug, 'x-project-id': me.project_id }
  other = await secondTenant(rt, 'other')
  mine = await belongings(rt, google, 'ada', here)
  theirs = await belongings(other.as, google, 'bo')
  const second = await ada.ok('POST', '/v1/projects', { name: 'Beyond' })
  const there = { 'x-project-id': second.id }
  const { token } = await ada.ok('POST', '/v1/pats', { display_name: 'Beyond', scopes: [...SCOPES] }, there)
  const as = asking(rt, token)
  beyond = await belongings({ ...as, mint: (input) => ada.ok('POST', '/v1/pats', input, there) }, google, 'cy', there)
  await ended(rt, mine.workflow, mine.run)
  await ended(other.as, theirs.workflow, theirs.run)
  await ended(as, beyond.workflow, beyond.run)
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await google?.close()
})

const methodOf = (op: AnyOperation) => op.http.split(' ')[0] as string
const bodied = (op: AnyOperation) => !['GET', 'DELETE'].includes(methodOf(op))
/** With ids that nobody has and an empty body: what is let in ends in an answer or a complaint, and nothing happens. */
const empty = (op: AnyOperation, ask: Ask) =>
  ask(methodOf(op), (op.http.split(' ')[1] as string).replaceAll(/\{\w+\}/g, 'none'), bodied(op) ? {} : undefined)
/** These would do something even so. They are asked only by those who are refused. */
const ACTS = [
  'vault.rotate',
  'vault.rewrap',
  'auth.sign_out',
  'auth.end_other_sessions',
  'pats.revoke_all',
  'oauth.confirm_original',
  'google.oauth_url',
  'definitions.export',
]

/** How an answer came out: `in`, or why not. */
function verdict(answer: Answer): string {
  if (answer.status === 401) return '401'
  if (answer.status !== 403 || !answer.body.details) return 'in'
  const { needed, missing_scope, needed_role } = answer.body.details
  // Refusals further inside (a finer rule, a link that is none) have no part in this table.
  return needed ? `needs a ${needed}` : missing_scope ? `needs ${missing_scope}` : needed_role ? `needs ${needed_role}` : 'in'
}
function expected(op: AnyOperation, who: { kind: 'nobody' | 'session' | 'pat'; role: Role; scopes: readonly string[] }): string {
  if (op.by === 'anyone') return 'in'
  if (who.kind === 'nobody') return '401'
  if (op.by === 'session' && who.kind === 'pat') return 'needs a session'
  const missing = scopesOf(op).find((it) => !who.scopes.includes(it))
  if (missing) return `needs ${missing}`
  return ROLES.indexOf(who.role) >= ROLES.indexOf(op.role) ? 'in' : `needs ${op.role}`
}
const apart = ({ audit_entries, audit_heads, ...rest }: Record<string, number>) => rest
const auditOf = (counts: Record<string, number>) => counts.audit_entries ?? 0

describe('every operation', () => {
  it('[access.matrix] is answered to a stranger only where it says so', async () => {
    const before = await rowCounts(rt)
    const nobody = person(rt)
    for (const op of operations) {
      const answer = await empty(op, nobody.api)
      expect(`${op.name} ${verdict(answer)}`).toBe(
        `${op.name} ${op.by === 'anyone' && answer.status === 401 ? '401' : expected(op, { kind: 'nobody', role: 'project_viewer', scopes: [] })}`,
      )
      if (op.by !== 'anyone') expect(answer.headers.get('www-authenticate'), op.name).toContain('Bearer')
    }
    expect(await rowCounts(rt)).toEqual(before)
    expect(operations.filter((op) => op.by === 'anyone').map((op) => op.name)).toEqual([
      'pats.pattern',
      'pats.report_leaked',
      'setup.get',
      'setup.finish',
      'auth.sign_in',
      'auth.sign_out',
      'auth.forgot_password',
      'auth.reset_password',
      'auth.providers',
      'auth.start_with',
      'invitations.look',
      'invitations.accept',
    ])
  })

  it.each(['project_viewer', 'project_contributor', 'project_admin', 'workspace_admin'] as const)(
    '[access.matrix] for a session of a %s is let in where the role is enough, and refused with the role that is needed',
    async (role) => {
      const say = role === 'workspace_admin' ? { role: 'admin' } : { project_id: mine.project, project_role: role }
      const somebody = await newcomer(rt, ada, role, say)
      const before = await rowCounts(rt)
      let refused = 0
      for (const op of operations) {
        const want = expected(op, { kind: 'session', role, scopes: SCOPES })
        if (want === 'in' && (ACTS.includes(op.name) || op.by === 'anyone')) continue
        expect(`${op.name} ${verdict(await empty(op, somebody.api))}`).toBe(`${op.name} ${want}`)
        if (want !== 'in') refused++
      }
      const after = await rowCounts(rt)
      expect({ ...apart(after), tool_calls: 0 }).toEqual({ ...apart(before), tool_calls: 0 })
      // One entry for each refusal, and none for anything else.
      expect(auditOf(after) - auditOf(before)).toBe(refused)
      if (role !== 'workspace_admin') expect(refused).toBeGreaterThan(10)
    },
  )

  it('[access.matrix] for a token is let in with its scope, refused without it, and never where a person is needed', async () => {
    const mint = async (scopes: readonly string[]) =>
      asking(rt, (await ada.ok('POST', '/v1/pats', { display_name: 'M', scopes }, here)).token)
    const only = new Map<string, TestRuntime>()
    const without = new Map<string, TestRuntime>()
    for (const scope of SCOPES) {
      only.set(scope, await mint([scope]))
      without.set(scope, await mint(SCOPES.filter((it) => it !== scope)))
    }
    const exact = new Map<string, TestRuntime>()
    for (const op of operations) if (op.also) exact.set(op.name, await mint(scopesOf(op)))
    const some = only.get('webhook:write') as TestRuntime
    const before = await rowCounts(rt)
    let refused = 0
    for (const op of operations) {
      if (op.by === 'anyone') continue
      for (const [scopes, as] of op.scope
        ? ([
            [[op.scope], only.get(op.scope)],
            [SCOPES.filter((it) => it !== op.scope), without.get(op.scope)],
            ...(op.also ? [[scopesOf(op), exact.get(op.name)] as const] : []),
          ] as const)
        : ([[['webhook:write'], some]] as const)) {
        const want = expected(op, { kind: 'pat', role: 'workspace_owner', scopes })
        if (want === 'in' && ACTS.includes(op.name)) continue
        expect(`${op.name} ${verdict(await empty(op, (as as TestRuntime).api))}`).toBe(`${op.name} ${want}`)
        if (want !== 'in') refused++
      }
    }
    const after = await rowCounts(rt)
    expect({ ...apart(after), tool_calls: 0 }).toEqual({ ...apart(before), tool_calls: 0 })
    expect(auditOf(after) - auditOf(before)).toBe(refused)
  })
})

describe('every id', () => {
  /** A slug is a name that each workspace gives by itself; a provider's app is the workspace's in all of its projects. */
  const OF_THE_WORKSPACE = /\{slug\}|\/v1\/(auth\/sessions|members|invitations|projects|workspaces)\//
  /** A stranger makes something of their own here. */
  const MAKES_ONES_OWN = ['oauth_apps.put']
  const shape = (value: unknown): unknown =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).map(([key, it]) => [key, shape(it)]))
      : typeof value

  it('[access.matrix] of another tenant, of another project and of nobody are answered alike, and nothing happens', async () => {
    BODIES['tools.call'] = { args: { method: 'GET', path: '/x' } }
    const nobodys = Object.fromEntries(
      Object.entries(theirs).map(([key, id]) => [key, id.replace(/[0-9a-z]{6}$/, 'zzzzzz')]),
    ) as unknown as Belongings
    const before = { counts: await rowCounts(rt), theirs: await rowsOf(rt, other.workspace), mine: await rowsOf(rt, mine.workspace) }
    const withIds = operations.filter(
      (op) => /\{(id|slug|run_id|profile_id|rotation_id)\}/.test(op.http) && op.by !== 'anyone' && !MAKES_ONES_OWN.includes(op.name),
    )
    const session: Ask = (method, path, body) => ada.api(method, path, body, here)
    let asked = 0
    for (const op of withIds)
      for (const ask of op.by === 'session' ? [session] : [session, rt.api]) {
        const kinds: [string, Belongings, Belongings][] = [
          ['nobody', nobodys, nobodys],
          ['another tenant', theirs, theirs],
          ...(OF_THE_WORKSPACE.test(op.http) ? [] : ([['another project', beyond, beyond]] as [string, Belongings, Belongings][])),
          ...(/\{(run_id|profile_id|rotation_id)\}/.test(op.http)
            ? ([
                ['nobody inside mine', mine, nobodys],
                ['another tenant inside mine', mine, theirs],
                ['another project inside mine', mine, beyond],
              ] as [string, Belongings, Belongings][])
            : []),
        ]
        const heard = new Map<string, string>()
        for (const [kind, first, second] of kinds) {
          const path = pathOf(op.http, first, second)
          const answer = await ask(methodOf(op), path, bodied(op) ? (BODIES[op.name] ?? {}) : undefined)
          expect(`${op.name} ${kind} ${answer.status} ${answer.body.code}`).toBe(`${op.name} ${kind} 404 NOT_FOUND`)
          // The sentence may say the id that was asked for, and nothing else that tells one kind from another.
          const ids = [...Object.values(first), ...Object.values(second)].toSorted((a, b) => b.length - a.length)
          const sentence = ids.reduce((text, id) => text.replaceAll(id, '…'), answer.body.error as string)
          const inside = kind.endsWith('inside mine') ? 'inside' : ''
          heard.set(`${inside} ${sentence} ${answer.body.hint ?? ''} ${JSON.stringify(shape(answer.body.details))}`, kind)
          asked++
        }
        const outside = [...heard.keys()].filter((key) => !key.startsWith('inside'))
        expect(outside, op.name).toHaveLength(1)
        expect([...heard.keys()].length - outside.length, op.name).toBeLessThanOrEqual(1)
      }
    expect(asked).toBeGreaterThan(250)
    // Only the attempts to call a tool are on record.
    const after = await rowCounts(rt)
    expect({ ...after, tool_calls: 0 }).toEqual({ ...before.counts, tool_calls: 0 })
    expect(await rowsOf(rt, other.workspace)).toEqual(before.theirs)
    const { tool_calls: _, ...mineAfter } = await rowsOf(rt, mine.workspace)
    const { tool_calls: __, ...mineBefore } = before.mine
    expect(mineAfter).toEqual(mineBefore)
  })
})
