/** Each scheme against what its vendor has published, in the real vault. Where a vendor publishes no example with its secret, OpenSSL made one. */
import { rmSync } from 'node:fs'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../test/database.ts'
import type { Egress } from '../../base/egress.ts'
import type { Fault } from '../../base/errors.ts'
import { conceal, createVault, newRootKeyText, type Vault } from '../../vault/index.ts'
import { contextOf, deliveryId, readClaim, SCHEMES, schemeOf } from './read.ts'
import type { Scheme } from './scheme.ts'

let base: TestDatabase
let vault: Vault
const home = mkdtempSync(join(tmpdir(), 'agentruntime-schemes-'))
beforeAll(async () => {
  base = await testDatabase()
  await run("insert into workspaces (workspace_id, slug, name) values ('ws_a', 'a', 'A')")
  await run("insert into projects (id, workspace_id, slug, name) values ('prj_a', 'ws_a', 'a', 'A')")
  const egress: Egress = {
    fetch: () => Promise.reject(new Error('no network here')),
    address: () => Promise.reject(new Error('no sockets here')),
    connect: () => Promise.reject(new Error('no sockets here')),
    judge: () => Promise.reject(new Error('no sockets here')),
    srv: () => Promise.reject(new Error('no names here')),
    close: async () => undefined,
  }
  const rootSource = { kind: 'value', name: 'TEST_KEY', value: conceal(newRootKeyText()) } as const
  vault = createVault({
    db: base.db,
    rootSource,
    egress,
    now: Date.now,
    uses: { note: () => undefined, blank: () => undefined },
    localRoot: home,
    journalDir: join(home, 'answers'),
  })
  await vault.keeping.unlock()
})
afterAll(async () => {
  await vault?.close()
  await base?.drop()
  rmSync(home, { recursive: true, force: true })
})

const run = (text: string, values: unknown[] = []) =>
  base.db.everyTenant('test', (tx) => tx.all<{ bytes: Buffer }>({ compile: () => ({ sql: text, parameters: values }) as never }))

let made = 0
async function owner(scheme: Scheme, ...secrets: string[]) {
  const id = `hook_${++made}`
  const at = (version: number) => ({ workspace: 'ws_a', project: 'prj_a', owner: id, version })
  // Secrets of ours are made by the vault, and cannot be given: here they are as known as the vendors' are.
  const form = { ...scheme.secret, ...(scheme.secret.from === 'us' ? { pattern: /./ } : {}) }
  for (const [i, secret] of secrets.entries()) await base.db.tx(at(1), (tx) => vault.verifying.adopt(tx, at(i + 1), conceal(secret), form))
  return secrets.map((_, i) => at(i + 1))
}
const headerOf = (headers: Record<string, string>) => (name: string) => headers[name] ?? null
async function judged(scheme: Scheme, secrets: readonly string[], headers: Record<string, string>, body: string | Buffer) {
  const of = await owner(scheme, ...secrets)
  const claim = readClaim(scheme, headerOf(headers), Buffer.from(body))
  return base.db.everyTenant('test', (tx) => vault.verifying.verify(tx, of, claim))
}

interface Vector {
  scheme: string
  source: string
  secret: string
  body: string
  headers: Record<string, string>
  at: number | null
}
const OPENSSL = 'openssl dgst -sha256 -hmac; the vendor publishes none'
const HEX = '0123456789abcdef0123456789abcdef'
const OURS = `ar_whsec_${HEX}${HEX.slice(0, 11)}`
const VECTORS: Vector[] = [
  {
    scheme: 'github',
    source: 'docs.github.com, Validating webhook deliveries',
    secret: "It's a Secret to Everybody",
    body: 'Hello, World!',
    headers: { 'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17' },
    at: null,
  },
  {
    scheme: 'standard-webhooks',
    source: 'Standard Webhooks, specification and libraries',
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    body: '{"test": 2432232314}',
    headers: {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    },
    at: 1614265330,
  },
  {
    scheme: 'shopify',
    source: OPENSSL,
    secret: `shpss_${HEX}`,
    body: '{"id":820982911946154508,"email":"jon@example.com"}',
    headers: { 'x-shopify-hmac-sha256': '8++5uqaSbZMvfZWESSDj93PLZ220nqZIKaoc0fiVLe4=' },
    at: null,
  },
  {
    scheme: 'meta',
    source: OPENSSL,
    secret: HEX,
    body: '{"object":"whatsapp_business_account","entry":[{"id":"0","changes":[]}]}',
    headers: { 'x-hub-signature-256': 'sha256=159350b1b904c288c4f08d7bd90d46bc959062c92433daad791f44c38cc891e3' },
    at: null,
  },
  {
    scheme: 'stripe',
    source: OPENSSL,
    secret: 'whsec_test_0123456789abcdef',
    body: '{"id":"evt_1","object":"event","type":"invoice.paid"}',
    headers: { 'stripe-signature': 't=1492774577,v1=070138e29849c88a5f00260a6b98470f693df015343fc8543cae108cea2879c8,v0=6ffb' },
    at: 1492774577,
  },
  {
    scheme: 'agentruntime',
    source: 'ours; made with OpenSSL',
    secret: OURS,
    body: '{"hello":"world"}',
    headers: { 'x-agentruntime-signature': 'sha256=e584899a9949b5ef51a1865b897a128c8b005c189b9115051ee94d6df8fc13cb' },
    at: null,
  },
  {
    scheme: 'agentruntime',
    source: 'ours, with a time; made with OpenSSL',
    secret: OURS,
    body: '{"hello":"world"}',
    headers: {
      'x-agentruntime-timestamp': '1700000000',
      'x-agentruntime-signature': 'sha256=b91d040277f76a8202465fabeaef0f50b27ba8f2ff286843e9998e780cd4559b',
    },
    at: 1700000000,
  },
]

describe.each(VECTORS)('$scheme ($source)', ({ scheme: name, secret, body, headers, at }) => {
  const scheme = schemeOf(name)
  const signature = scheme.signature.header
  /** Takes secrets that no vendor would make. */
  const lenient = { ...scheme, secret: { ...scheme.secret, pattern: /./ } }
  const other = scheme.secret.key === 'whsec' ? `whsec_${Buffer.from('another secret, 24 bytes').toString('base64')}` : `${secret}x`

  it('[webhooks.vectors] takes the published signature, and reads its time', async () => {
    expect(await judged(scheme, [secret], headers, body)).toBe(1)
    expect(readClaim(scheme, headerOf(headers), Buffer.from(body))).toMatchObject({ at, signed: true })
  })

  it('[webhooks.raw-bytes] takes nothing that differs in one place', async () => {
    expect(await judged(lenient, [other], headers, body)).toBe('no')
    for (const other of [`${body} `, ` ${body}`, `${body}\n`, body.slice(0, -1), body.replace('l', 'L'), ''].filter((it) => it !== body))
      expect(`${await judged(scheme, [secret], headers, other)} for ${JSON.stringify(other)}`).toMatch(/^no /)
    for (const [header, value] of Object.entries(headers).filter(([header]) => header !== signature)) {
      const { [header]: _, ...without } = headers
      expect(await judged(scheme, [secret], without, body), `without ${header}`).toBe('no')
      expect(await judged(scheme, [secret], { ...headers, [header]: `${value}0` }, body), `another ${header}`).toBe('no')
    }
    const sent = headers[signature] as string
    const value = /[0-9a-f]{64}|[A-Za-z0-9+/]{43}=/.exec(sent)?.[0] as string
    const changed = [
      value.slice(1),
      `${value}0`,
      `${value[0] === '0' ? '1' : '0'}${value.slice(1)}`,
      '',
      `${value.slice(0, 20)} ${value.slice(20)}`,
    ]
    const wrong = ['', 'sha256=', 'v1,', 't=1,v1=00', 'x'.repeat(9_000), ...changed.map((it) => sent.replace(value, it))]
    for (const text of wrong)
      expect(`${await judged(scheme, [secret], { ...headers, [signature]: text }, body)} for ${text}`).toMatch(/^no /)
    expect(await judged(scheme, [secret], {}, body)).toBe('no')
    expect(await judged(scheme, [], headers, body)).toBe('no')
  })

  it('[webhooks.two-secrets] takes the signature of either of two secrets', async () => {
    expect(await judged(lenient, [secret, other], headers, body)).toBe(1)
    expect(await judged(lenient, [other, secret], headers, body)).toBe(2)
  })
})

describe('reading claims', () => {
  const body = Buffer.from('{}')
  it('[webhooks.vectors] the header that Stripe shows in its documentation has one time and one signature that counts', () => {
    const shown =
      't=1492774577,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd,v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39'
    const claim = readClaim(schemeOf('stripe'), headerOf({ 'stripe-signature': shown }), body)
    expect(claim).toMatchObject({ at: 1492774577, parts: ['1492774577', '.', body] })
    expect(claim.candidates.map((it) => Buffer.from(it).toString('hex'))).toEqual([
      '5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd',
    ])
  })

  it('[webhooks.vectors] what the library of Standard Webhooks signs is taken, and the other way round', async () => {
    const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
    const at = new Date(1_700_000_000_000)
    const payload = JSON.stringify({ word: 'grüße', emoji: '🙂' })
    const other = new Webhook(`whsec_${Buffer.alloc(32, 8).toString('base64')}`)
    const headers = {
      'webhook-id': 'msg_1',
      'webhook-timestamp': '1700000000',
      // As the specification has it while a secret is changed: several, of which one holds.
      'webhook-signature': [other, new Webhook(secret)].map((w) => w.sign('msg_1', at, payload)).join(' '),
    }
    expect(await judged(schemeOf('standard-webhooks'), [secret], headers, payload)).toBe(1)
  })

  it.each([
    ['two times', 't=1,t=2,v1='],
    ['a time with a sign', 't=+1,v1='],
    ['a time with a fraction', 't=1.5,v1='],
    ['a time in hexadecimal', 't=0x10,v1='],
    ['an empty time', 't=,v1='],
    ['no time', 'v1='],
  ])('[webhooks.stale] %s is no claim', (_, start) => {
    const claim = readClaim(schemeOf('stripe'), headerOf({ 'stripe-signature': `${start}${'0'.repeat(64)}` }), body)
    expect(claim).toMatchObject({ candidates: [], signed: true })
  })

  it('[webhooks.bounded] so many signatures of one header are looked at', () => {
    const one = `v1,${Buffer.alloc(32).toString('base64')}`
    const headers = { 'webhook-id': 'a', 'webhook-timestamp': '1', 'webhook-signature': Array.from({ length: 500 }, () => one).join(' ') }
    expect(readClaim(schemeOf('standard-webhooks'), headerOf(headers), body).candidates).toHaveLength(8)
  })

  it('[webhooks.once] a delivery has the name that its sender repeats', () => {
    const all = headerOf({ 'webhook-id': 'a', 'x-github-delivery': 'b', 'x-shopify-webhook-id': 'c', 'idempotency-key': 'd' })
    const names = SCHEMES.map((s) => `${s.name} ${deliveryId(s, all, { id: 'e' })} ${deliveryId(s, headerOf({}), {})}`)
    expect(names).toEqual([
      'agentruntime d null',
      'standard-webhooks a null',
      'github b null',
      'shopify c null',
      'meta null null',
      'stripe e null',
    ])
    expect(deliveryId(schemeOf('stripe'), all, { id: 7 })).toBeNull()
  })

  it('says what happened where only headers do', () => {
    const all = headerOf({ 'x-github-event': 'push', 'x-shopify-topic': 'orders/create', 'x-shopify-shop-domain': 'a.myshopify.com' })
    expect(SCHEMES.map((s) => contextOf(s, all)).filter(Boolean)).toEqual([
      { event: 'push' },
      { event: 'orders/create', shop: 'a.myshopify.com' },
    ])
    expect(contextOf(schemeOf('github'), headerOf({}))).toBeNull()
  })
})

describe('secrets', () => {
  const at = { workspace: 'ws_a', project: 'prj_a', owner: 'hook_secrets', version: 1 }
  it('[webhooks.secret-once] ours have 256 random bits, and are stored sealed', async () => {
    const texts: string[] = []
    for (const key of ['text', 'whsec'] as const)
      texts.push(await base.db.tx(at, (tx) => vault.verifying.issue(tx, { ...at, version: texts.length + 1 }, key)))
    expect(texts[0]).toMatch(/^ar_whsec_[\w-]{43}$/)
    expect(texts[1]).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    const rows = await run('select bytes from sealed where owner_id = $1', [at.owner])
    expect(rows).toHaveLength(2)
    for (const { bytes } of rows) for (const text of texts) expect(bytes.includes(text.slice(9, 40))).toBe(false)
  })

  it.each([
    ['shopify', 'short'],
    ['meta', 'ABCDEF0123456789ABCDEF0123456789'],
    ['stripe', 'sk_live_0123456789abcdef'],
    ['standard-webhooks', `whsec_${Buffer.alloc(12).toString('base64')}`],
    ['standard-webhooks', `whsec_${Buffer.alloc(65).toString('base64')}`],
    ['github', 'hunter2'],
    ['github', 'ein Schlüssel mit Umlaut'],
  ])('[webhooks.provided] a secret of %s that cannot be one is refused without being repeated: %s', async (name, given) => {
    const refused = await base.db
      .tx(at, (tx) => vault.verifying.adopt(tx, { ...at, version: 9 }, conceal(given), schemeOf(name).secret))
      .then(() => expect.unreachable('it was taken'))
      .catch((error: Fault) => error)
    expect(refused).toMatchObject({ code: 'CREDENTIAL_MALFORMED' })
    expect(JSON.stringify([refused.message, refused.details, refused.hint])).not.toContain(given)
  })

  it('[webhooks.handshake] the word of a subscription is its own', () => {
    const { handshakeToken, isHandshake } = vault.verifying
    const word = handshakeToken('ws_a', 'hook_1')
    expect(word).toMatch(/^[\w-]{43}$/)
    expect(isHandshake('ws_a', 'hook_1', word)).toBe(true)
    for (const [workspace, id, sent] of [
      ['ws_a', 'hook_2', word],
      ['ws_b', 'hook_1', word],
      ['ws_a', 'hook_1', ''],
      ['ws_a', 'hook_1', word.slice(1)],
      ['ws_a', 'hook_1', `A${word.slice(1)}`],
    ] as const)
      expect(isHandshake(workspace, id, sent) && sent !== word).toBe(false)
  })
})
