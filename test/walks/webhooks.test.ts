/** Other systems knock: for every scheme the right delivery starts one run, and whatever is wrong with it starts none. */
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SENDERS, type Sender } from '../fakes/senders.ts'
import { type Answer, runtime, type TestRuntime, until } from '../harness.ts'
import { behindTheScenes, context, ended, graphOf, published } from './acts.ts'
import { delivery, type Hook, hooked, knock, newDelivery, seconds } from './knocks.ts'
import { secondTenant } from './tenants.ts'

let rt: TestRuntime
let workflow: string
/** A workflow that says back what came, and needs nobody outside. */
const steps = (instance: string) => [
  { id: 'echo', instance_id: instance, tool_name: 'sqlite_query', tool_args: { sql: 'select ? as of', args: ['{{input.of}}'] } },
]
const startable = async (as: TestRuntime, name: string) => {
  const { id } = await as.ok('POST', '/v1/mcp/instances', { slug: 'sqlite', name })
  return published(as, name, steps(id))
}

beforeAll(async () => {
  rt = await runtime({ demo: true })
  workflow = await published(rt, 'Takes webhooks', steps((await rt.ok('GET', '/v1/mcp/instances')).items[0].id))
})
afterAll(() => rt?.[Symbol.asyncDispose]())

const runsOf = async (hook: Hook): Promise<string[]> => {
  await using db = await behindTheScenes(rt)
  return (await db.rows("select id from runs where started_by = $1 or input ->> 'hook' = $2", [`webhook:${hook.id}`, hook.id])).map(
    (r) => r.id,
  )
}
const seen = async (hook: Hook): Promise<{ outcome: string; code: string | null; count: number; run_id: string | null }[]> =>
  (await rt.ok('GET', `${hook.path}/deliveries`)).items
/** Counts are written within a second or so. */
const noted = (hook: Hook, outcome: string, code: string | null) =>
  until(async () => (await seen(hook)).find((d) => d.outcome === outcome && d.code === code), `${outcome} ${code} to be in the list`)
const scheme = (name: string, timed = false): Sender => SENDERS.find((s) => s.scheme === name && (!timed || s.timed)) as Sender
const refusal = ({ status, body }: Answer) => ({ status, code: body.code })
const UNPROVED = { status: 401, code: 'BAD_SIGNATURE' }

describe.each(SENDERS.map((s) => [`${s.scheme}${s.timed ? ', with a time' : ''}`, s] as const))('%s', (_, sender) => {
  it('[webhooks.starts] the right delivery starts one run with the body as its input', async () => {
    const hook = await hooked(rt, workflow, sender, { extras: { n: 'from extras', more: { kept: true } } })
    const it = delivery(hook, { n: { deep: ['ünïcode', 1.5, null] } })
    const answer = await knock(rt, hook.path, it)
    expect(answer.status, answer.text).toBe(202)
    expect(Object.keys(answer.body)).toEqual(['run_id'])
    const run = await ended(rt, workflow, answer.body.run_id)
    expect(run).toMatchObject({ status: 'completed', trigger: 'webhook', started_by: `webhook:${hook.id}`, environment: 'production' })
    const { input, steps: done } = await context(rt, workflow, answer.body.run_id)
    expect(done.echo.result.rows).toEqual([{ of: it.id }])
    expect(input).toMatchObject({ n: { deep: ['ünïcode', 1.5, null] }, of: it.id, more: { kept: true } }) // the body wins over extras
    if (sender.scheme === 'github') expect(input.webhook).toEqual({ event: 'push' })
    if (sender.scheme === 'shopify') expect(input.webhook).toEqual({ event: 'orders/create', shop: 'a-shop.myshopify.com' })
    expect(await runsOf(hook)).toEqual([answer.body.run_id])
    expect(await seen(hook)).toMatchObject([{ outcome: 'accepted', code: null, count: 1, run_id: answer.body.run_id }])
  })

  it('[webhooks.refused] a changed byte, other white space, a missing or foreign signature and another secret start nothing', async () => {
    const hook = await hooked(rt, workflow, sender)
    const good = delivery(hook)
    const { [sender.signature]: signature, ...unsigned } = good.headers
    const otherSecret =
      sender.scheme === 'standard-webhooks' ? `whsec_${Buffer.alloc(32, 1).toString('base64')}` : `${hook.secret.slice(0, -1)}~`
    const wrong: Record<string, { body: string; headers: Record<string, string> }> = {
      'a changed byte': { ...good, body: good.body.replace('"n":1', '"n":2') },
      'a space more': { ...good, body: good.body.replace('"n":1', '"n": 1') },
      'a line break at the end': { ...good, body: `${good.body}\n` },
      'no signature': { ...good, headers: unsigned },
      'an empty signature': { ...good, headers: { ...unsigned, [sender.signature]: '' } },
      'the signature of another body': {
        ...good,
        headers: { ...good.headers, [sender.signature]: delivery(hook).headers[sender.signature] as string },
      },
      'another secret': { ...good, headers: delivery(hook, { id: good.id, body: good.body, secret: otherSecret }).headers },
      'no body': { ...good, body: '' },
    }
    for (const [what, it] of Object.entries(wrong))
      expect({ what, ...refusal(await knock(rt, hook.path, it)) }).toEqual({ what, ...UNPROVED })
    for (const at of sender.timed ? [seconds() - 320, seconds() + 320] : [])
      expect(refusal(await knock(rt, hook.path, delivery(hook, { at })))).toEqual({ status: 401, code: 'STALE_SIGNATURE' })
    if (sender.timed) {
      const late = delivery(hook, { at: seconds() - 320 })
      const moved = Object.fromEntries(Object.entries(late.headers).map(([k, v]) => [k, v.replace(/\b1\d{9}\b/, String(seconds()))]))
      expect(refusal(await knock(rt, hook.path, { ...late, headers: moved }))).toEqual(UNPROVED)
      for (const at of [seconds() - 250, seconds() + 250]) expect((await knock(rt, hook.path, delivery(hook, { at }))).status).toBe(202)
    }
    expect(await runsOf(hook)).toHaveLength(sender.timed ? 2 : 0)
    // What was wrong never keeps the right one out.
    expect((await knock(rt, hook.path, good)).status, signature).toBe(202)
    expect(await noted(hook, 'refused', 'BAD_SIGNATURE')).toMatchObject({ run_id: null })
    expect(await noted(hook, 'refused', 'SIGNATURE_MISSING')).toBeTruthy()
  })

  it('[webhooks.once] the same delivery 50 times at once is one run and 50 answers with its id', async () => {
    const hook = await hooked(rt, workflow, sender)
    const it = delivery(hook)
    const answers = await Promise.all(Array.from({ length: 50 }, () => knock(rt, hook.path, it)))
    expect(new Set(answers.map((a) => a.body.run_id)).size).toBe(1)
    expect(answers.map((a) => a.status).sort()).toEqual([...Array.from({ length: 49 }, () => 200), 202])
    // A try later on, signed anew where a time is signed.
    const again = await knock(rt, hook.path, delivery(hook, { id: it.id, body: it.body, at: seconds() + 1 }))
    expect(again).toMatchObject({ status: 200, body: { run_id: answers[0]?.body.run_id } })
    expect(await runsOf(hook)).toHaveLength(1)
    expect((await knock(rt, hook.path, delivery(hook, { n: 2 }))).status).toBe(202)
    expect(await runsOf(hook)).toHaveLength(2)
    const total = await until(async () => {
      const n = (await seen(hook)).filter((d) => d.outcome === 'duplicate').reduce((sum, d) => sum + d.count, 0)
      return n === 50 ? n : null
    }, 'the repetitions to be counted')
    expect(total).toBe(50)
  })

  it('[webhooks.rotation] both secrets count until the overlap ends, and the old one never after', async () => {
    const hook = await hooked(rt, workflow, sender)
    const next = (text: string) => (sender.secret === null ? {} : { provided_secret: text })
    const changed = `${hook.secret.slice(0, -2)}${hook.secret.endsWith('1a') ? '2b' : '1a'}`
    const rotated = await rt.ok('POST', `${hook.path}/rotate-secret`, { ...next(changed), overlap_minutes: 5 })
    const fresh = (rotated.signing_secret ?? changed) as string
    expect(fresh).not.toBe(hook.secret)
    for (const secret of [hook.secret, fresh]) expect((await knock(rt, hook.path, delivery(hook, { secret }))).status).toBe(202)
    // The same delivery, tried again with the other secret, is the same delivery.
    const tried = delivery(hook)
    const anew = delivery(hook, { id: tried.id, body: tried.body, secret: fresh })
    const [first, second] = [await knock(rt, hook.path, tried), await knock(rt, hook.path, anew)]
    expect([first.status, second.status, second.body.run_id]).toEqual([202, 200, first.body.run_id])
    await using db = await behindTheScenes(rt)
    await db.rows("update webhooks set previous_until = now() - interval '1 second' where id = $1", [hook.id])
    expect(refusal(await knock(rt, hook.path, delivery(hook, { secret: hook.secret })))).toEqual(UNPROVED)
    expect((await knock(rt, hook.path, delivery(hook, { secret: fresh }))).status).toBe(202)
    // Without an overlap the old one ends at once, and leaves the database.
    const last = await rt.ok('POST', `${hook.path}/rotate-secret`, { ...next(hook.secret), overlap_minutes: 0 })
    expect(refusal(await knock(rt, hook.path, delivery(hook, { secret: fresh })))).toEqual(UNPROVED)
    expect((await knock(rt, hook.path, delivery(hook, { secret: last.signing_secret ?? hook.secret }))).status).toBe(202)
    expect(await db.rows('select version from sealed where owner_id = $1', [hook.id])).toEqual([{ version: 3 }])
  })
})

describe('a signing secret that is being changed', () => {
  const begun = async () => {
    const hook = await hooked(rt, workflow, scheme('agentruntime'))
    const { signing_secret: fresh } = await rt.ok('POST', `${hook.path}/rotate-secret`, {})
    return { hook, fresh: fresh as string, at: `${hook.path}/rotate-secret` }
  }
  it('[rotation.signing-secret] tells how many came signed with each, and is finished once the sender has changed', async () => {
    const { hook, fresh, at } = await begun()
    for (const secret of [hook.secret, hook.secret, fresh])
      expect((await knock(rt, hook.path, delivery(hook, { secret }))).status).toBe(202)
    const { rotation } = await rt.ok('GET', at)
    expect(rotation).toMatchObject({ old: { version: 1, deliveries: 2 }, new: { version: 2, deliveries: 1 } })
    expect(rotation.old.last_delivery_at).not.toBeNull()
    const early = await rt.api('POST', `${at}/finish`, {})
    expect([early.status, early.body.code, early.body.details.old.deliveries]).toEqual([422, 'REFUSED', 2])
    expect(await rt.ok('POST', `${at}/finish`, { confirm: true })).toMatchObject({ old: { deliveries: 2 } })
    expect(refusal(await knock(rt, hook.path, delivery(hook, { secret: hook.secret })))).toEqual(UNPROVED)
    expect((await knock(rt, hook.path, delivery(hook, { secret: fresh }))).status).toBe(202)
    expect(await rt.ok('GET', at)).toEqual({ rotation: null })
    expect((await rt.api('POST', `${at}/finish`, { confirm: true })).body.code).toBe('CONFLICT')
    await using db = await behindTheScenes(rt)
    expect(await db.rows('select version from sealed where owner_id = $1', [hook.id])).toEqual([{ version: 2 }])
  })

  it('[rotation.signing-secret] is taken back: the old one counts again, and the new one never does', async () => {
    const { hook, fresh, at } = await begun()
    await rt.ok('POST', `${at}/rollback`)
    expect(refusal(await knock(rt, hook.path, delivery(hook, { secret: fresh })))).toEqual(UNPROVED)
    expect((await knock(rt, hook.path, delivery(hook, { secret: hook.secret }))).status).toBe(202)
    expect((await rt.ok('POST', at, {})).subscription.secret_version).toBe(3) // a number is never given twice
  })
})

describe('who may know what', () => {
  it('[webhooks.one-answer] unknown, other tenant’s, disabled and badly signed: one answer, one shape', async () => {
    const hook = await hooked(rt, workflow, scheme('agentruntime'))
    const off = await hooked(rt, workflow, scheme('agentruntime'))
    await rt.ok('PATCH', off.path, { enabled: false })
    const unset = await rt.ok('POST', '/v1/inbound-webhooks', { workflow_id: workflow, name: 'Stripe', signature: { scheme: 'stripe' } })
    expect(unset).toMatchObject({ signing_secret: null, subscription: { has_secret: false } })
    const gone = await hooked(rt, workflow, scheme('agentruntime'))
    await rt.ok('DELETE', gone.path)
    const good = delivery(hook)
    const answers = [
      await knock(rt, '/v1/inbound-webhooks/hook_00000000000000000000000000', good),
      await knock(rt, `/v1/inbound-webhooks/${'x'.repeat(500)}`, good),
      await knock(rt, off.path, delivery(off)),
      await knock(rt, off.path, delivery(off, { body: 'not JSON' })),
      await knock(rt, gone.path, delivery(gone)),
      await knock(rt, unset.ingress_path, good),
      await knock(rt, hook.path, { ...good, headers: {} }),
      await knock(rt, hook.path, delivery(hook, { secret: 'wrong' })),
      await knock(rt, hook.path, delivery(hook, { secret: 'wrong', body: 'not JSON' })),
      await knock(rt, hook.path, { ...delivery(hook, { secret: '' }) }),
      await knock(rt, unset.ingress_path, delivery({ ...hook, sender: scheme('stripe') }, { secret: '' })),
    ]
    const shape = ({ status, headers, body }: Answer) => ({
      status,
      headers: [...headers.keys()].filter((name) => name !== 'date'),
      body: { ...body, request_id: typeof body.request_id },
    })
    for (const answer of answers) expect(shape(answer)).toEqual(shape(answers[0] as Answer))
    expect(refusal(answers[0] as Answer)).toEqual(UNPROVED)
    // Its owner is told more.
    expect(await noted(off, 'refused', 'DISABLED')).toBeTruthy()
    await rt.ok('PATCH', off.path, { enabled: true })
    expect((await knock(rt, off.path, delivery(off))).status).toBe(202)
  })

  it('[webhooks.other-tenant] a subscription starts a run in its own project, whoever else has which secret', async () => {
    const other = await secondTenant(rt, 'hooks-next-door')
    const theirs = await startable(other.as, 'Next door')
    const hook = await hooked(other.as, theirs, scheme('github'))
    const mine = await hooked(rt, workflow, scheme('github'))
    const taken = await knock(rt, hook.path, delivery(hook))
    expect(taken.status).toBe(202)
    await using db = await behindTheScenes(rt)
    expect(await db.rows('select workspace_id, project_id from runs where id = $1', [taken.body.run_id])).toEqual([
      { workspace_id: other.workspace, project_id: other.project },
    ])
    for (const [method, path, body] of [
      ['GET', hook.path],
      ['PATCH', hook.path, { name: 'taken over' }],
      ['DELETE', hook.path],
      ['POST', `${hook.path}/rotate-secret`, {}],
      ['GET', `${hook.path}/deliveries`],
    ] as const)
      expect((await rt.api(method, path, body)).status, `${method} ${path}`).toBe(404)
    expect((await rt.ok('GET', '/v1/inbound-webhooks?limit=200')).items.map((h: { id: string }) => h.id)).not.toContain(hook.id)
    const borrowed = { workflow_id: theirs, name: 'Borrowed' }
    expect(await rt.api('POST', '/v1/inbound-webhooks', borrowed)).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
    expect((await rt.api('PATCH', mine.path, { workflow_id: theirs })).status).toBe(404)
  })

  it('[webhooks.pat] where a token was named each delivery must bring it, living and allowed to run', async () => {
    const make = (scopes: string[]) => rt.mint({ display_name: 'Automation', scopes })
    const [pat, other, weak] = [await make(['workflow:run']), await make(['workflow:run']), await make(['workflow:read'])]
    const ask = (more: object) => rt.api('POST', '/v1/inbound-webhooks', { workflow_id: workflow, name: 'With token', ...more })
    for (const [more, status] of [
      [{ automation_pat_id: pat.id }, 400],
      [{ automation_bearer: pat.token }, 400],
      [{ automation_pat_id: pat.id, automation_bearer: other.token }, 422],
      [{ automation_pat_id: weak.id, automation_bearer: weak.token }, 422],
      [{ automation_pat_id: pat.id, automation_bearer: 'ar_pat_nonsense' }, 422],
    ] as const) {
      const answer = await ask(more)
      expect(answer.status, answer.text).toBe(status)
      for (const it of [pat, other, weak]) expect(answer.text).not.toContain(it.token)
    }
    const hook = await hooked(rt, workflow, scheme('agentruntime'), { automation_pat_id: pat.id, automation_bearer: pat.token })
    expect(JSON.stringify(hook.created)).not.toContain(pat.token)
    const bring = (token?: string, it = delivery(hook)) =>
      knock(rt, hook.path, { ...it, headers: { ...it.headers, ...(token ? { authorization: `Bearer ${token}` } : {}) } })
    for (const token of [undefined, other.token, weak.token, rt.pat, 'nonsense'])
      expect(refusal(await bring(token))).toEqual({ status: 401, code: 'UNAUTHENTICATED' })
    // Not even the right token says that there is a subscription, without the signature.
    expect(refusal(await bring(pat.token, { ...delivery(hook, { secret: 'wrong' }) }))).toEqual(UNPROVED)
    const taken = await bring(pat.token)
    expect(taken.status).toBe(202)
    expect(await ended(rt, workflow, taken.body.run_id)).toMatchObject({ trigger: 'webhook', started_by: `pat:${pat.id}` })
    await using db = await behindTheScenes(rt)
    await db.rows("update pats set scopes = '{workflow:read}' where id = $1", [pat.id])
    expect(
      refusal(
        await until(async () => {
          const answer = await bring(pat.token)
          return answer.status === 202 ? null : answer
        }, 'the narrower scopes to be seen'),
      ),
    ).toEqual({ status: 403, code: 'FORBIDDEN' })
    await rt.ok('DELETE', `/v1/pats/${pat.id}`)
    expect(
      refusal(
        await until(async () => {
          const answer = await bring(pat.token)
          return answer.status === 401 ? answer : null
        }, 'the token to be dead'),
      ),
    ).toEqual({ status: 401, code: 'UNAUTHENTICATED' })
  })
})

describe('what comes in', () => {
  it('[webhooks.limits] size and encoding are refused before anything else', async () => {
    const hook = await hooked(rt, workflow, scheme('agentruntime'))
    const big = delivery(hook, { body: JSON.stringify({ filler: 'x'.repeat(1_048_576) }) })
    expect(refusal(await knock(rt, hook.path, big))).toEqual({ status: 413, code: 'TOO_LARGE' })
    const stream = new Blob([big.body]).stream()
    expect(refusal(await knock(rt, hook.path, { headers: big.headers, body: stream }))).toEqual({ status: 413, code: 'TOO_LARGE' })
    const exact = delivery(hook, { body: JSON.stringify({ filler: 'x'.repeat(1_048_576 - 13) }) })
    expect(exact.body.length).toBe(1_048_576)
    expect((await knock(rt, hook.path, exact)).status).toBe(202)
    const packed = delivery(hook)
    for (const encoding of ['gzip', 'br', 'gzip, identity'])
      expect(refusal(await knock(rt, hook.path, { ...packed, headers: { ...packed.headers, 'content-encoding': encoding } }))).toEqual({
        status: 415,
        code: 'UNSUPPORTED_MEDIA_TYPE',
      })
    expect(await noted(hook, 'refused', 'TOO_LARGE')).toMatchObject({ count: 2 })
    expect(await noted(hook, 'refused', 'UNSUPPORTED_MEDIA_TYPE')).toBeTruthy()
  })

  it('[webhooks.flags-secrets] what holds a secret is taken and flagged; one that is stored here is taken out, whatever it is hidden in', async () => {
    const hook = await hooked(rt, workflow, scheme('github'))
    const looksLikeOne = `ghp_${'a1B2c3D4e5'.repeat(4)}`
    const body = JSON.stringify({ note: `see ${hook.secret}`, deep: [{ [hook.secret]: 1 }], token: looksLikeOne, fine: 'as it was' })
    const answer = await knock(rt, hook.path, delivery(hook, { body }))
    expect(answer.status, answer.text).toBe(202)
    const run = await ended(rt, workflow, answer.body.run_id)
    expect(run.secret_in_input).toEqual([
      { path: 'input.note', looks_like: null, removed: true },
      { path: 'input.deep[0]["«key»"]', looks_like: null, removed: true },
      { path: 'input.token', looks_like: 'a GitHub token', removed: false },
    ])
    const { input } = await context(rt, workflow, answer.body.run_id)
    expect(input).toMatchObject({ note: '«secret»', deep: [{ '«secret»': 1 }], token: looksLikeOne, fine: 'as it was' })
    await using db = await behindTheScenes(rt)
    const [row] = await db.rows('select input::text as text from runs where id = $1', [answer.body.run_id])
    expect(row?.text).not.toContain(hook.secret)
    const honest = await knock(rt, hook.path, delivery(hook, { body: JSON.stringify({ n: 1 }) }))
    expect((await ended(rt, workflow, honest.body.run_id)).secret_in_input).toEqual([])
  })

  it('[webhooks.body] what is signed and no JSON object is refused', async () => {
    const hook = await hooked(rt, workflow, scheme('github'))
    for (const body of ['', 'payload=%7B%7D', '{"a":1', '[]', '[{"a":1}]', '"text"', '7', 'null', '{"a":1,"a":2}', '{"__proto__":{}}']) {
      const answer = await knock(rt, hook.path, delivery(hook, { body }))
      expect(`${body} ${answer.status}`).toBe(`${body} 400`)
    }
    const bytes = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])
    const signature = `sha256=${createHmac('sha256', hook.secret).update(bytes).digest('hex')}`
    const garbled = await knock(rt, hook.path, { body: bytes, headers: { 'x-hub-signature-256': signature } })
    expect(refusal(garbled)).toEqual({ status: 400, code: 'BAD_REQUEST' })
    const leak = await knock(rt, hook.path, delivery(hook, { body: JSON.stringify({ note: `see ${hook.secret}` }) }))
    expect(leak.status).toBe(202)
    expect(await runsOf(hook)).toEqual([leak.body.run_id])
    // A long order is no attack, and a body of nothing but keys is none of an honest sender's.
    const keys = (n: number) => JSON.stringify(Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, i])))
    expect((await knock(rt, hook.path, delivery(hook, { body: keys(40_000) }))).status).toBe(202)
    expect(refusal(await knock(rt, hook.path, delivery(hook, { body: keys(50_001) })))).toEqual({ status: 400, code: 'BAD_REQUEST' })
    // Whatever it calls itself, the body is read as JSON.
    const it = delivery(hook)
    expect((await knock(rt, hook.path, { ...it, headers: { ...it.headers, 'content-type': 'text/plain' } })).status).toBe(202)
  })

  it('[webhooks.later] what a person can mend is 503 for the sender, is not forgotten, and passes afterwards', async () => {
    const instance = (await rt.ok('POST', '/v1/mcp/instances', { slug: 'sqlite', name: 'Later' })).id
    const { id: draft } = await rt.ok('POST', '/v1/workflows', { name: 'Draft', graph: graphOf(steps(instance)) })
    const hook = await hooked(rt, draft, scheme('github'))
    const it = delivery(hook)
    const early = await knock(rt, hook.path, it)
    expect(early).toMatchObject({ status: 503, body: { code: 'DEPENDENCY_UNAVAILABLE', details: { reason: 'NOT_PUBLISHED' } } })
    expect(early.headers.get('retry-after')).toBe('60')
    expect(await noted(hook, 'refused', 'NOT_PUBLISHED')).toBeTruthy()
    await rt.ok('POST', `/v1/workflows/${draft}/versions`, {})
    const taken = await knock(rt, hook.path, it)
    expect(taken.status).toBe(202)

    const connection = await rt.ok('POST', '/v1/connections', {
      display_name: 'Dies',
      provider: 'http',
      credentials: { api_key: 'a-key-that-will-be-refused' },
    })
    const bound = await rt.ok('POST', '/v1/mcp/instances', {
      slug: 'http',
      name: 'Dies',
      connection_id: connection.id,
      config: { base_url: 'https://127.0.0.1' },
    })
    const needs = await published(rt, 'Needs it', [
      { id: 'a', instance_id: bound.id, tool_name: 'http_request', tool_args: { method: 'GET', path: '/' } },
    ])
    await using db = await behindTheScenes(rt)
    await db.rows("update connections set status = 'reconnect', status_reason = 'key_rejected' where id = $1", [connection.id])
    const parked = await hooked(rt, needs, scheme('stripe'))
    const event = delivery(parked)
    const refused = await knock(rt, parked.path, event)
    expect(refused).toMatchObject({ status: 503, body: { details: { reason: 'CONNECTION_RECONNECT_REQUIRED' } } })
    expect(await noted(parked, 'refused', 'CONNECTION_RECONNECT_REQUIRED')).toBeTruthy()
    await db.rows("update connections set status = 'active', status_reason = null where id = $1", [connection.id])
    expect((await knock(rt, parked.path, event)).status).toBe(202)

    await rt.ok('DELETE', `/v1/workflows/${draft}`)
    expect(await knock(rt, hook.path, delivery(hook))).toMatchObject({ status: 503, body: { details: { reason: 'CONFLICT' } } })
    expect((await knock(rt, hook.path, it)).body.run_id).toBe(taken.body.run_id) // what was taken stays taken
    await rt.ok('PATCH', hook.path, { workflow_id: workflow })
    expect((await knock(rt, hook.path, delivery(hook))).status).toBe(202)
  })

  it('[webhooks.later] a secret that cannot be read here is no verdict about the sender', async () => {
    const hook = await hooked(rt, workflow, scheme('github'))
    const { signing_secret: fresh } = await rt.ok('POST', `${hook.path}/rotate-secret`, {})
    await using db = await behindTheScenes(rt)
    const damage = (version: number) =>
      db.rows(
        'update sealed set bytes = set_byte(bytes, length(bytes) - 1, 255 - get_byte(bytes, length(bytes) - 1)) where owner_id = $1 and version = $2',
        [hook.id, version],
      )
    await damage(2)
    // The one that can be read goes on to count.
    const old = delivery(hook)
    expect((await knock(rt, hook.path, old)).status).toBe(202)
    const it = delivery(hook, { secret: fresh })
    const refused = await knock(rt, hook.path, it)
    expect(refusal(refused)).toEqual({ status: 503, code: 'DEPENDENCY_UNAVAILABLE' })
    expect(Number(refused.headers.get('retry-after'))).toBe(60)
    expect(await noted(hook, 'refused', 'UNDECRYPTABLE')).toBeTruthy()
    await damage(2) // which mends it
    expect((await knock(rt, hook.path, it)).status).toBe(202)
  })

  it('[webhooks.handshake] Meta’s question is answered as text to whoever knows the word of the subscription', async () => {
    const hook = await hooked(rt, workflow, scheme('meta'))
    const word = hook.created.verify_token as string
    const ask = async (path: string, query: Record<string, string>) => fetch(`${rt.url}${path}?${new URLSearchParams(query)}`)
    const question = { 'hub.mode': 'subscribe', 'hub.verify_token': word, 'hub.challenge': '<script>1158201444</script>' }
    const answer = await ask(hook.path, question)
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe('<script>1158201444</script>')
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain/)
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    const github = await hooked(rt, workflow, scheme('github'))
    expect(github.created.verify_token).toBeNull()
    const refused = [
      await ask(hook.path, { ...question, 'hub.verify_token': `${word}x` }),
      await ask(hook.path, { ...question, 'hub.verify_token': '' }),
      await ask(hook.path, { ...question, 'hub.mode': 'unsubscribe' }),
      await ask(hook.path, { 'hub.mode': 'subscribe', 'hub.verify_token': word }),
      await ask(github.path, question),
      await ask('/v1/inbound-webhooks/hook_nobody', question),
    ]
    for (const it of refused) {
      expect(it.status).toBe(401)
      expect(await it.text()).not.toContain('1158201444')
    }
    await rt.ok('PATCH', hook.path, { enabled: false })
    expect((await ask(hook.path, question)).status).toBe(401)
    await rt.ok('PATCH', hook.path, { enabled: true })
    expect((await ask(hook.path, question)).status).toBe(200)
    // Without the question the same address asks for facts, with a token.
    expect((await fetch(rt.url + hook.path)).status).toBe(401)
    expect((await rt.ok('GET', hook.path)).signature).toEqual({ scheme: 'meta', header: 'x-hub-signature-256', tolerance_seconds: null })
  })
})

describe('subscriptions', () => {
  it('[webhooks.secret-once] a secret is in the answer that makes it and nowhere else', async () => {
    const hook = await hooked(rt, workflow, scheme('agentruntime'))
    const given = await hooked(rt, workflow, scheme('shopify'))
    expect(hook.secret).toMatch(/^ar_whsec_/)
    expect(JSON.stringify(given.created)).not.toContain(given.secret)
    const { signing_secret } = await rt.ok('POST', `${hook.path}/rotate-secret`, {})
    const rotated = await rt.ok('POST', `${given.path}/rotate-secret`, { provided_secret: `${given.secret.slice(0, -1)}0` })
    expect(rotated.signing_secret).toBeNull()
    const texts: string[] = []
    for (const path of [hook.path, given.path, `${hook.path}/deliveries`, '/v1/inbound-webhooks?limit=200', '/v1/audit?limit=200'])
      texts.push((await rt.api('GET', path)).text)
    await using db = await behindTheScenes(rt)
    for (const table of ['webhooks', 'webhook_deliveries', 'audit_entries', 'idempotency', 'sealed'])
      texts.push(JSON.stringify(await db.rows(`select t::text as row from ${table} t`)))
    // Used, so that the log has had its chance.
    const it = delivery(given, { secret: `${given.secret.slice(0, -1)}0` })
    expect((await knock(rt, given.path, it)).status).toBe(202)
    texts.push(readFileSync(rt.logFile, 'utf8'), rt.said.stdout, rt.said.stderr)
    expect(texts.at(-3)).toContain(given.path)
    for (const secret of [hook.secret, given.secret, signing_secret]) {
      expect(secret.length).toBeGreaterThan(20)
      for (const text of texts) expect(text.includes(secret)).toBe(false)
      for (const form of [Buffer.from(secret).toString('hex'), Buffer.from(secret).toString('base64').slice(0, -4)])
        for (const text of texts) expect(text.includes(form)).toBe(false)
    }
    // Nor can it slip into a graph.
    const graph = graphOf([{ id: 'a', instance_id: 'x', tool_name: 'y', tool_args: { note: hook.secret } }])
    expect((await rt.api('POST', '/v1/workflows', { name: 'Leaks', graph })).body.code).toBe('SECRET_IN_GRAPH')
    expect((await rt.api('PATCH', hook.path, { extras: { note: given.secret } })).body.code).toBe('SECRET_IN_GRAPH')
  })

  it('[webhooks.provided] a vendor’s secret can be given later, and one that cannot be its is refused', async () => {
    const made = await rt.ok('POST', '/v1/inbound-webhooks', { workflow_id: workflow, name: 'Stripe', signature: { scheme: 'stripe' } })
    const bad = async (body: object, path = `${made.ingress_path}/rotate-secret`) => (await rt.api('POST', path, body)).body.code
    expect(await bad({})).toBe('INVALID_INPUT')
    expect(await bad({ provided_secret: 'sk_live_0123456789' })).toBe('CREDENTIAL_MALFORMED')
    const ours = await hooked(rt, workflow, scheme('agentruntime'))
    expect(await bad({ provided_secret: 'ours-is-made-by-us-alone' }, `${ours.path}/rotate-secret`)).toBe('INVALID_INPUT')
    const sender = scheme('stripe')
    const given = await rt.ok('POST', `${made.ingress_path}/rotate-secret`, { provided_secret: sender.secret })
    expect(given).toMatchObject({ signing_secret: null, subscription: { has_secret: true, previous_secret_until: null } })
    const hook = { id: made.subscription.id, path: made.ingress_path, secret: sender.secret as string, sender, created: made }
    expect((await knock(rt, hook.path, delivery(hook))).status).toBe(202)
  })

  it('[webhooks.lists] lists page, and a subscription says when something came last', async () => {
    const hook = await hooked(rt, workflow, scheme('github'))
    expect((await rt.ok('GET', hook.path)).last_delivery).toBeNull()
    const ids: string[] = []
    for (let n = 0; n < 5; n++) ids.push((await knock(rt, hook.path, delivery(hook))).body.run_id)
    const walked: string[] = []
    for (let cursor = ''; ; ) {
      const page = await rt.ok('GET', `${hook.path}/deliveries?limit=2${cursor}`)
      walked.push(...page.items.map((d: { run_id: string }) => d.run_id))
      if (page.next_cursor === null) break
      cursor = `&cursor=${page.next_cursor}`
    }
    expect(walked).toEqual(ids.reverse())
    expect((await rt.ok('GET', hook.path)).last_delivery).toMatchObject({ outcome: 'accepted' })
    const all: string[] = []
    for (let cursor = ''; ; ) {
      const page = await rt.ok('GET', `/v1/inbound-webhooks?limit=7${cursor}`)
      all.push(...page.items.map((h: { id: string }) => h.id))
      if (page.next_cursor === null) break
      cursor = `&cursor=${page.next_cursor}`
    }
    expect(all).toContain(hook.id)
    expect(all).toEqual(all.toSorted().reverse())
    await rt.ok('DELETE', hook.path)
    await using db = await behindTheScenes(rt)
    expect(await db.rows('select 1 from webhook_deliveries where webhook_id = $1', [hook.id])).toEqual([])
    expect(await db.rows('select 1 from sealed where owner_id = $1', [hook.id])).toEqual([])
    expect((await rt.ok('GET', `/v1/workflows/${workflow}/runs/${ids[0]}/summary`)).status).toBeTruthy() // its runs stay
  })

  it('[webhooks.audited] what a subscription is, what it starts and that it was refused is in the audit log', async () => {
    const hook = await hooked(rt, workflow, scheme('github'))
    const { run_id } = (await knock(rt, hook.path, delivery(hook))).body
    await rt.ok('POST', `${hook.path}/rotate-secret`, { provided_secret: 'another secret of 26 chars' })
    await rt.ok('PATCH', hook.path, { enabled: false })
    await rt.ok('DELETE', hook.path)
    const actions = async (target: string) =>
      (await rt.ok('GET', `/v1/audit?target=${target}`)).items.map((e: { action: string; actor: string }) => e.action)
    expect(await actions(hook.id)).toEqual(['webhook.deleted', 'webhook.updated', 'webhook.secret_rotated', 'webhook.created'])
    expect((await rt.ok('GET', `/v1/audit?target=${run_id}`)).items).toMatchObject([
      { action: 'run.started', actor: `webhook:${hook.id}`, entry: { details: { webhook_id: hook.id, workflow_id: workflow } } },
    ])
    expect(await rt.ok('GET', '/v1/audit/verify')).toMatchObject({ ok: true })
  })

  it('[webhooks.once] a name of any length and kind is a name', async () => {
    const hook = await hooked(rt, workflow, scheme('stripe'))
    const ids = [newDelivery(), 'é'.repeat(300), 'x'.repeat(5_000), '../../etc', '<b>', '0']
    for (const id of ids) {
      expect((await knock(rt, hook.path, delivery(hook, { id }))).status, id).toBe(202)
      expect((await knock(rt, hook.path, delivery(hook, { id, n: 2 }))).status, id).toBe(200)
    }
    expect((await seen(hook)).filter((d) => d.outcome === 'accepted')).toHaveLength(ids.length)
  })
})
