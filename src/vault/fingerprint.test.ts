import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMatcher, fingerprint, marksOf, passwordsIn } from './fingerprint.ts'
import { newKeyring, withKey } from './keyring.ts'

const seed = Number(process.hrtime.bigint() % 1_000_000_007n)
console.log(`fingerprint properties: seed ${seed}`)
fc.configureGlobal({ seed, numRuns: 200 })

const ring = newKeyring()
const stored = (secrets: readonly string[], workspace = 'ws_1') =>
  secrets.map((text, i) => ({ owner: `conn_${i}`, field: 'api_key', marks: marksOf(ring, workspace, [Buffer.from(text)]) }))
const matcher = (...secrets: string[]) => createMatcher(ring, 'ws_1', stored(secrets))

/** A search that grows with the square of the text takes hours; on a machine that is busy an honest one may take seconds. */
const FOREVER_MS = 20_000

describe('the matcher', () => {
  it('[graph.no-secret] finds a stored secret anywhere in a longer text, and says whose it is', () => {
    const { contains } = matcher('re_first_123456', 'ghp_second_99999999')
    expect(contains('{"authorization":"Bearer ghp_second_99999999"}')).toEqual({ owner: 'conn_1', field: 'api_key' })
    for (const text of ['re_first_123456', 'xre_first_123456', 're_first_123456x', 'ré_re_first_123456'])
      expect(contains(text)).toEqual({ owner: 'conn_0', field: 'api_key' })
    for (const text of ['', 're_first', 're_first_12345', 're_first_123457', 're_first 123456', 'ghp_second_9999999'])
      expect(contains(text)).toBeNull()
  })

  it('agrees with String.includes for all texts and secrets of 8 bytes and more', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'é'), maxLength: 40 })
    const secrets = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'é'), minLength: 8, maxLength: 14 }), { maxLength: 5 })
    fc.assert(
      fc.property(letters, secrets, fc.option(fc.nat(4)), (text, list, plant) => {
        const whole = text + (plant === null ? '' : (list[plant] ?? '')) + text
        expect(matcher(...list).contains(whole) !== null).toBe(list.some((s) => whole.includes(s)))
      }),
    )
  })

  it('finds what lies across the borders of its blocks', () => {
    const { contains } = matcher('needle-in-a-haystack')
    for (const before of [65_510, 65_520, 65_529, 65_535, 65_536, 131_060]) {
      expect(contains('.'.repeat(before) + 'needle-in-a-haystack' + '.'.repeat(9))).not.toBeNull()
      expect(contains('.'.repeat(before) + 'needle-in-a-haystack')).not.toBeNull()
      expect(contains('.'.repeat(before) + 'needle-in-a-haystac')).toBeNull()
    }
  })

  it('compares what is shorter than 8 bytes as a whole only', () => {
    const { contains } = matcher('hunter2')
    expect(contains('hunter2')).not.toBeNull()
    expect(contains('my hunter2 word')).toBeNull()
    expect(matcher('').contains('')).toBeNull()
  })

  it('is keyed: not another workspace’s, not another installation’s, the same after a rotation', () => {
    const secret = Buffer.from('the same secret')
    expect(createMatcher(ring, 'ws_1', stored(['the same secret'], 'ws_2')).contains('the same secret')).toBeNull()
    expect(createMatcher(newKeyring(), 'ws_1', stored(['the same secret'])).contains('the same secret')).toBeNull()
    expect(createMatcher(withKey(ring, 2), 'ws_1', stored(['the same secret'])).contains('the same secret')).not.toBeNull()
    expect(fingerprint(ring, 'ws_1', secret).equals(fingerprint(ring, 'ws_2', secret))).toBe(false)
    expect(marksOf(ring, 'ws_1', [secret, Buffer.from('part')])).toHaveLength(48)
  })

  it('[graph.no-secret] searches 1 MiB for 1,000 secrets in well under a second, also when the text is made to hurt', () => {
    const secrets = Array.from({ length: 1000 }, (_, i) =>
      i % 3 === 0
        ? `postgresql://app:${randomBytes(9 + (i % 40)).toString('base64url')}@db-${i}.example.com/app?sslmode=require`
        : i % 3 === 1
          ? `github_pat_${randomBytes(30).toString('hex')}`
          : randomBytes(8 + (i % 100)).toString('base64url'),
    )
    const { contains } = matcher(...secrets)
    const took: Record<string, number> = {}
    const measure = (what: string, text: string, found: boolean) => {
      const began = performance.now()
      expect(contains(text) !== null).toBe(found)
      took[what] = Math.round(performance.now() - began)
    }
    const mib = 1024 * 1024
    measure('random', randomBytes(mib * 0.75).toString('base64'), false)
    measure('same beginnings', 'github_pat_'.repeat(mib / 11), false)
    // Imitates hundreds of connection strings 28,000 times over: counted as holding one.
    measure('beginnings and ends', 'postgresql://app@/app?sslmode=require'.repeat(mib / 37), true)
    measure('planted at the end', randomBytes(mib * 0.75).toString('base64') + secrets[999]!, true)
    const began = performance.now()
    for (let i = 0; i < 20_000; i++) expect(contains(`a short string of a step ${i} in a graph`) === null).toBe(true)
    took['20,000 short strings'] = Math.round(performance.now() - began)
    console.log(`1 MiB against 1,000 secrets, ms: ${JSON.stringify(took)}`)
    expect(Math.max(...Object.values(took))).toBeLessThan(FOREVER_MS)
  })

  it('counts a text that imitates a secret everywhere as holding it, and does not search for ever', () => {
    const secret = 'a'.repeat(20) + 'b' + 'a'.repeat(20)
    const began = performance.now()
    expect(matcher(secret).contains('a'.repeat(1024 * 1024))).toEqual({ owner: 'conn_0', field: 'api_key' })
    expect(performance.now() - began).toBeLessThan(FOREVER_MS)
    expect(matcher(secret).contains('a'.repeat(10_000))).toBeNull()
  })
})

describe('the passwords in a connection string', () => {
  it.each([
    ['postgresql://app:p%40ss%2Fword@db.example.com:5432/orders?sslmode=require', ['p%40ss%2Fword', 'p@ss/word']],
    ['mongodb+srv://app:simple-pass@cluster.example.net/', ['simple-pass']],
    ['redis://:only-a-password@cache:6379', ['only-a-password']],
    ['postgres://app:pa:ss@word@db/x', ['pa:ss@word']],
    ['postgres://app:100%@db/x', ['100%']],
    ['postgres://postgres:postgres@localhost/postgres', []],
    ['mysql://app:orders@localhost/orders', []],
    ['postgres://app@db/x', []],
    ['file:///var/data.sqlite', []],
    ['{"type":"service_account"}', []],
  ])('%s', (dsn, passwords) => {
    expect(passwordsIn(dsn)).toEqual(passwords)
  })
})
