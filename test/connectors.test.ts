/**
 * One test for every folder of the shelf. Shapes are checked on all; tools are called on the HTTP ones, against a stub that was
 * written from the vendor's texts. It proves that we keep the contract, not that a vendor accepts us.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Connector } from '../src/connectors/contract.ts'
import { faultsOf, loadConnectors } from '../src/connectors/load.ts'
import { toolContext } from './fakes/context.ts'
import { type Reply, type Stub, type Trouble, timesSent } from './fakes/stub.ts'
import { loadProofs } from './proof.ts'

const shelf = await loadConnectors()
const proofs = await loadProofs()
const contracts = [...proofs].flatMap(([slug, { contracts }]) => contracts.map((it) => ({ slug, ...it })))

afterAll(() => {
  const width = Math.max(...[...proofs.keys()].map((it) => it.length))
  const lines = [...proofs]
    .sort()
    .map(([slug, { against }]) => `  ${slug.padEnd(width)}  ${against.map((it) => `${it.by}: ${it.what}`).join('; ')}`)
  process.stderr.write(`what each connector was proven against (never that a vendor accepts us):\n${lines.join('\n')}\n`)
})

describe.each([...shelf])('the shape of %s', (slug, c) => {
  it('[connectors.shelf-checked] has nothing wrong with it', () => {
    expect(faultsOf(slug, c)).toEqual([])
  })

  it('says what it was proven against, and has a contract for each way to connect, if it speaks HTTP', () => {
    expect(proofs.get(slug)?.against.length).toBeGreaterThan(0)
    // What is exchanged for a token goes out like one that was entered.
    const entered = c.auth.kind === 'api_key' ? Object.entries(c.auth.services).filter(([, it]) => !it.exchange) : []
    const services = c.auth.kind === 'oauth' ? [c.auth.service] : entered.map(([name]) => name)
    expect(contracts.filter((it) => it.slug === slug).map((it) => it.service)).toEqual(services)
  })

  it('says things once: titles, tools and abouts differ', () => {
    const abouts = Object.values(c.tools).map((it) => it.about)
    expect(new Set(abouts).size).toBe(abouts.length)
    expect([...shelf.values()].filter((it) => it.title === c.title)).toHaveLength(1)
  })
})

describe.each(contracts)('$slug with $service keeps its contract', (contract) => {
  const c = shelf.get(contract.slug) as Connector
  let stub: Stub
  beforeAll(async () => {
    stub = await contract.start()
  })
  afterAll(() => stub.close())
  beforeEach(() => stub.reset())

  const context = (credentials = contract.credentials, signal?: AbortSignal) =>
    toolContext(c, {
      credentials,
      service: contract.service,
      config: contract.config(stub.url),
      ...(signal === undefined ? {} : { signal }),
    })
  const call = async (of: { tool: string; input: unknown }, ctx = context()) => {
    const tool = c.tools[of.tool]
    if (tool === undefined) throw new Error(`no tool ${of.tool}`)
    return tool.output.parse(await tool.run(ctx, tool.input.parse(of.input) as never))
  }
  const reply = (status: number, headers: Record<string, string> = {}): Trouble => {
    const it: Reply = { status, headers, body: contract.errorBody?.(status) ?? { message: 'So it is.' } }
    return { kind: 'reply', reply: it }
  }
  /** The failure of `code`, or for connectors that answer all, the status as a result. */
  const meets = async (work: Promise<unknown>, code: string, status: number) =>
    contract.answersAll
      ? expect(await work).toMatchObject({ status })
      : await expect(work).rejects.toMatchObject({ code, details: { status } })

  it.each(Object.keys(c.tools))(
    '[connectors.key-in-place] %s answers its example, with the credential in its place and nowhere else',
    async (tool) => {
      const answer = await call({ tool, input: c.tools[tool]?.example })
      expect(stub.requests.length).toBeGreaterThan(0)
      for (const req of stub.requests) {
        expect(timesSent(req, contract.secret)).toBe(1)
        expect(contract.place(req)).toBeTruthy()
        expect(req.headers['user-agent']).toBe('AgentRuntime')
      }
      expect(JSON.stringify(answer)).not.toContain(contract.secret)
    },
  )

  it('passes its own check', async () => {
    const checked = await c.auth.check(context())
    expect(checked).toHaveProperty('account')
    expect(JSON.stringify(checked)).not.toContain(contract.secret)
  })

  it('401 is a rejected credential, in a call and in the check', async () => {
    await expect(call(contract.reads, context(contract.dead))).rejects.toMatchObject({ code: 'CREDENTIAL_REJECTED' })
    await expect(c.auth.check(context(contract.dead))).rejects.toMatchObject({ code: 'CREDENTIAL_REJECTED' })
    expect(stub.requests).toHaveLength(2)
  })

  it.each([
    [403, 'SCOPE_MISSING'],
    [404, 'UPSTREAM_NOT_FOUND'],
    [409, 'UPSTREAM_CONFLICT'],
    [422, 'UPSTREAM_INVALID'],
    [500, 'UPSTREAM_ERROR'],
  ])('%i is %s, at the first try', async (status, code) => {
    stub.next(reply(status))
    await meets(call(contract.reads), contract.statuses?.[status] ?? code, status)
    expect(stub.requests).toHaveLength(1)
  })

  it.each(contract.refusals ?? [])('[connectors.refusals] $name is $code', async ({ reply: said, code, retryAfter }) => {
    stub.next({ kind: 'reply', reply: said })
    const fault = await call(contract.reads).then(
      () => null,
      (error: unknown) => error,
    )
    expect(fault).toMatchObject({ code, ...(retryAfter === undefined ? {} : { retryAfter }) })
    expect(stub.requests).toHaveLength(1)
  })

  it.each(contract.pages ?? [])('[connectors.pages] $tool walks to the end of at least three pages', async ({ tool, input, next }) => {
    const seen = new Set<string>()
    let pages = 0
    for (let at: Record<string, unknown> | null = input; at !== null && pages < 20; pages++) {
      const answer = (await call({ tool, input: at })) as Record<string, unknown>
      // A page that came before would never end.
      expect(seen.has(JSON.stringify(answer))).toBe(false)
      seen.add(JSON.stringify(answer))
      const more = next(answer)
      at = more && { ...input, ...more }
    }
    expect(pages).toBeGreaterThanOrEqual(3)
    expect(pages).toBeLessThan(20)
  })

  it.each(contract.keyed ?? [])('[connectors.same-key] $tool hands its key on, the same for every try', async ({ tool, input, key }) => {
    await call({ tool, input })
    await call({ tool, input })
    const [first, second] = stub.requests.filter((it) => it.method !== 'GET').map(key)
    expect(first).toBeTruthy()
    expect(second).toBe(first)
  })

  it('429 waits as long as it is told to', async () => {
    stub.next(reply(429, { 'retry-after': '2' }))
    const ctx = context()
    await call(contract.reads, ctx)
    expect(ctx.waits).toEqual([2000])
  })

  it('429 for an hour goes back at once', async () => {
    stub.next(reply(429, { 'retry-after': '3600' }))
    const ctx = context()
    const work = call(contract.reads, ctx)
    if (contract.answersAll) expect(await work).toMatchObject({ status: 429, headers: { 'retry-after': '3600' } })
    else await expect(work).rejects.toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', retryAfter: 3600 })
    expect(ctx.waits).toEqual([])
  })

  it('a 5xx once does not harm a read', async () => {
    stub.next(reply(503), { kind: 'html', status: 502 })
    await call(contract.reads)
    expect(stub.requests).toHaveLength(3)
  })

  it('a cut connection does not harm a read, unless it stays cut', async () => {
    stub.next({ kind: 'cut' }, { kind: 'cut-body' })
    await call(contract.reads)
    stub.reset()
    stub.next({ kind: 'cut' }, { kind: 'cut' }, { kind: 'cut' })
    await expect(call(contract.reads)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
    expect(stub.requests).toHaveLength(3)
  })

  it.each<Trouble>([{ kind: 'cut' }, { kind: 'cut-body' }])(
    '[connectors.no-double-write] a write that is $kind is sent once and may have been done',
    async (trouble) => {
      stub.next(trouble)
      await expect(call(contract.writes)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
      expect(stub.requests).toHaveLength(1)
    },
  )

  it.each([502, 503])('[connectors.no-double-write] a write that meets %i is sent once', async (status) => {
    stub.next(reply(status))
    await meets(call(contract.writes), 'UPSTREAM_ERROR', status)
    expect(stub.requests).toHaveLength(1)
  })

  it('a slow answer ends with the signal', async () => {
    stub.next({ kind: 'slow' })
    const abort = new AbortController()
    const arrived = stub.arrived()
    const work = expect(call(contract.reads, context(contract.credentials, abort.signal))).rejects.toMatchObject({ code: 'STEP_TIMED_OUT' })
    await arrived
    abort.abort()
    await work
    stub.release()
  })

  it('[connectors.page-is-no-verdict] a web page is not taken for an answer in JSON', async () => {
    stub.next({ kind: 'html', status: 200 })
    await meets(call(contract.reads), 'UPSTREAM_ERROR', 200)
  })

  it('[connectors.no-key-elsewhere] a redirect to another host is not followed', async () => {
    const other = await contract.start()
    try {
      stub.next({ kind: 'redirect', to: `${other.url}/stolen` })
      await meets(call(contract.reads), 'UPSTREAM_ERROR', 302)
      expect(other.requests).toEqual([])
    } finally {
      await other.close()
    }
  })
})
