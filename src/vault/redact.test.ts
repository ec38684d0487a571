import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formsOf } from './needles.ts'
import { createRedactor, OPERATOR } from './redact.ts'
import { createScrubber, MAX_SEARCHED_BYTES, REDACTED, type Scrubber } from './scrub.ts'

const seed = Number(process.hrtime.bigint() % 1_000_000_007n)
console.log(`redaction properties: seed ${seed}`)
fc.configureGlobal({ seed, numRuns: 300 })

const HOUR = 3_600_000
const at = (workspace: string, owner = 'conn_1', version = 1) => ({ workspace, owner, version })
const VALUES = [
  `ghp_${randomBytes(18).toString('hex')}`,
  `sk_live_${randomBytes(24).toString('base64url')}`,
  `pw:${randomBytes(9).toString('hex')} é/+&"\\<'%41\`=`,
  `postgres://ada:${randomBytes(6).toString('hex')}%40@db.example.com:5432/shop`,
  `ключ ${randomBytes(6).toString('hex')} 😀`,
  'abcdef',
  'aaaaaaaaaaab',
  `-----BEGIN PRIVATE KEY-----\n${randomBytes(90).toString('base64')}\n-----END PRIVATE KEY-----\n`,
]
const FORMS = VALUES.flatMap((value) => formsOf(value).map(([name, needle]) => ({ name, needle })))
const amongOthers = createRedactor({ now: () => 0 })
amongOthers.learn(at('ws', 'conn_1'), VALUES)
for (let i = 0; i < 100; i++) amongOthers.learn(at('ws', `conn_${i + 2}`), [`sk_live_${randomBytes(24).toString('base64url')}`])
/** By themselves, and as one of many that a process has opened. */
const WAYS = { alone: createScrubber(VALUES), 'among others': amongOthers.inUse('ws', at('ws', 'conn_1')) }
const MARK = Buffer.from(REDACTED)
/** By looking for one after another, at every place. */
const holds = (text: Buffer) => FORMS.some(({ needle }) => text.includes(needle))
/** The same behind escapes, as somebody would read them who takes all of it for JSON. */
const hides = (text: Buffer) =>
  holds(
    Buffer.from(
      text.toString().replaceAll(/\\(?:u[0-9a-f]{4}|["\\/bfnrt])/gi, (it) => (it[1] === it[1]?.toLowerCase() ? JSON.parse(`"${it}"`) : it)),
    ),
  )
const inPieces = (clean: Scrubber, text: Buffer, cuts: readonly number[]): Buffer => {
  const { push, flush } = clean.stream()
  const edges = [0, ...[...cuts].map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length]
  const out = edges.slice(1).map((to, i) => push(text.subarray(edges[i], to)))
  return Buffer.concat([...out, flush()])
}

describe.each(Object.entries(WAYS))('a value %s', (_way, clean) => {
  it('has each of the forms that are promised', () => {
    expect([...new Set(formsOf(VALUES[2] as string).map(([name]) => name))]).toEqual([
      'raw',
      'latin-1',
      'hex',
      'base64',
      'url',
      'json',
      'json in json',
      'html',
      'utf-16 le',
      'utf-16 be',
    ])
    const value = `a/b+c&d"'é`
    const texts = formsOf(value).map(([, needle]) => needle.toString('latin1'))
    for (const form of [
      '612F622B6326642227C3A9',
      Buffer.from(value).toString('base64').slice(0, 12),
      Buffer.from(`x${value}`).toString('base64').slice(2, 14),
      Buffer.from(`xy${value}`).toString('base64url').slice(3, 15),
      'a%2fb%2bc%26d%22',
      'a/b+c&amp;d&quot;&#x27;',
      '\\u0061\\u002f\\u0062\\u002b',
      '\\u0061\\u002F\\u0062\\u002B',
      'a\0/\0b\0+\0',
      '\0a\0/\0b\0+',
    ])
      expect(
        texts.some((it) => it.startsWith(form)),
        form,
      ).toBe(true)
  })

  it.each(VALUES.map((value, i) => [i, value] as const))(
    '[redact.forms] number %i is taken out in every form, cut at every place',
    (_, value) => {
      for (const [name, needle] of formsOf(value)) {
        const text = Buffer.concat([Buffer.from('before <'), needle, Buffer.from('> and after it')])
        const whole = clean.bytes(text)
        expect(whole.includes(MARK) && !holds(whole), name).toBe(true)
        // Long ones are cut near their ends, and here and there.
        const step = Math.max(1, needle.length >> 6)
        for (let cut = 0; cut <= text.length; cut += cut < 20 || cut > text.length - 30 ? 1 : step)
          expect(inPieces(clean, text, [cut]).equals(whole), `${name} cut at ${cut}`).toBe(true)
      }
    },
  )

  it('[redact.forms] is found at every place of a buffer, by itself and beside others', () => {
    const form = fc.constantFrom(...FORMS.map(({ needle }) => needle))
    const noise = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.string({ unit: fc.constantFrom('a', 'b', '\\', 'é'), maxLength: 12 }))
    fc.assert(
      fc.property(
        fc.array(fc.oneof(form, noise), { maxLength: 6 }),
        fc.nat(9),
        fc.array(fc.nat(), { maxLength: 8 }),
        (parts, lead, cuts) => {
          const all = Buffer.concat([Buffer.alloc(lead), ...parts.map((it) => Buffer.from(it as Uint8Array))])
          const text = all.subarray(lead) // somewhere in its memory, on no border of a word
          const out = clean.bytes(text)
          expect(out.equals(text)).toBe(!holds(text))
          // A mark may stand beside what is left, and only then could both together look like a form.
          for (const piece of out.toString('latin1').split(REDACTED)) expect(holds(Buffer.from(piece, 'latin1'))).toBe(false)
          expect(inPieces(clean, text, cuts).equals(out)).toBe(true)
        },
      ),
    )
  })

  it('[redact.forms] is found where pieces come byte by byte, and little is held back', () => {
    const longest = Math.max(...FORMS.map(({ needle }) => needle.length))
    const text = Buffer.concat([Buffer.from('x'.repeat(300)), FORMS[0]!.needle, Buffer.from('y'.repeat(300))])
    const { push, flush } = clean.stream()
    const out: Buffer[] = []
    let given = 0
    for (let i = 0; i < text.length; i++) {
      out.push(push(text.subarray(i, i + 1)))
      given += out.at(-1)!.length
      if (i < 300) expect(i + 1 - given).toBeLessThan(longest)
    }
    expect(Buffer.concat([...out, flush()]).equals(clean.bytes(text))).toBe(true)
  })

  it('[redact.forms] without an end is held back no further than one value is long', () => {
    const { push, flush } = createScrubber(['aaaaaa']).stream()
    let given = ''
    for (let i = 0; i < 1000; i++) given += push(Buffer.from('aaa')).toString()
    expect(given + flush().toString()).toBe(REDACTED)
  })

  it('[redact.forms] is found behind escapes that no writer of ours would write, in JSON, in lines and in parts of it', () => {
    const unit = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
    const leads = fc.constantFrom('{"n":12345678901234567890,"you":["', '{"a":1}\n{"you":"', 'you said "')
    fc.assert(
      fc.property(fc.constantFrom(2, 4), fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }), leads, (which, escaped, lead) => {
        const written = [...(VALUES[which] as string)]
          .map((c, i) => (escaped[i] ? c.split('').map(unit).join('') : JSON.stringify(c).slice(1, -1)))
          .join('')
        expect(clean.body(Buffer.from(`${lead}${written}"]}\\n`)).toString()).toBe(`${lead}${REDACTED}"]}\\n`)
      }),
    )
  })

  it('[redact.forms] that begins inside of what an escape stands for takes the whole escape along', () => {
    // The last byte of é and the sign © in Latin-1 are the same.
    const { body } = createScrubber(['©abcdefghijk'])
    expect(body(Buffer.from('{"it":"\\t\\u00e9abcdefghijk"}')).toString()).toBe(`{"it":"\\t${REDACTED}"}`)
  })

  it('[redact.forms] is found as a number, in keys, and in bytes inside of a result', () => {
    const { json } = createScrubber(['1234567890', 'key-of-mine'])
    expect(json({ a: 1234567890, 'my key-of-mine': [Buffer.from('key-of-mine')], b: 12345678901, c: null, d: true })).toEqual({
      a: REDACTED,
      [`my ${REDACTED}`]: [MARK],
      b: REDACTED,
      c: null,
      d: true,
    })
  })
})

describe.each(Object.entries(WAYS))('honest text, searched for values %s', (_way, clean) => {
  /** Much like a value, and none. */
  const nearMiss = fc.tuple(fc.constantFrom(...FORMS), fc.nat()).map(([{ needle }, where]) => {
    const out = Buffer.from(needle)
    out[where % out.length]! ^= 1
    return out
  })
  const head = fc.constantFrom(...FORMS).map(({ needle }) => needle.subarray(0, needle.length - 1))
  const html = fc
    .array(fc.tuple(fc.constantFrom('p', 'td', 'a href="/x?y=1&amp;z"'), fc.string()), { maxLength: 30 })
    .map((tags) => Buffer.from(tags.map(([tag, text]) => `<${tag}>${text.replaceAll('<', '&lt;')}</${tag.split(' ')[0]}>`).join('\n')))
  const body = fc.oneof(
    fc.json({ maxDepth: 4 }).map((it) => Buffer.from(it)),
    html,
    fc.uint8Array({ maxLength: 600 }).map((it) => Buffer.from(Buffer.from(it).toString('base64'))),
    fc.uint8Array({ maxLength: 600 }).map((it) => Buffer.from(it)),
    fc
      .array(
        fc.oneof(
          nearMiss,
          head,
          fc.string().map((it) => Buffer.from(it)),
        ),
        { maxLength: 8 },
      )
      .map((it) => Buffer.concat(it)),
  )

  it('[redact.honest] 10,000 bodies come out as they went in', { timeout: 120_000 }, () => {
    let honest = 0
    fc.assert(
      fc.property(body, fc.array(fc.nat(), { maxLength: 3 }), (text, cuts) => {
        fc.pre(!holds(text) && !hides(text))
        honest++
        expect(clean.bytes(text)).toBe(text)
        expect(clean.body(text)).toBe(text)
        expect(inPieces(clean, text, cuts).equals(text)).toBe(true)
        const said = text.toString()
        expect(clean.text(said)).toBe(said)
        const value = { said, parts: [said.slice(3), 1234567], at: new Date(0) }
        expect(clean.json(value)).toBe(value)
      }),
      { numRuns: 10_000 },
    )
    expect(honest).toBe(10_000)
  })
})

describe('what the vault has opened', () => {
  const secret = `sk-${randomBytes(15).toString('hex')}`
  const other = `ot-${randomBytes(15).toString('hex')}`
  const open = (now = () => 0, maxValues?: number) => createRedactor({ now, ...(maxValues ? { maxValues } : {}) })

  it('[redact.tenants] is taken out of what its own workspace reads, and of the log, and of nothing else', () => {
    const redactor = open()
    redactor.learn(at('ws_a'), [secret])
    redactor.learn(at('ws_b'), [other])
    redactor.learn(at(OPERATOR, 'configured'), ['the-operators-own'])
    const text = `${secret} ${other} the-operators-own`
    expect(redactor.of('ws_a').text(text)).toBe(`${REDACTED} ${other} ${REDACTED}`)
    expect(redactor.of('ws_b').text(text)).toBe(`${secret} ${REDACTED} ${REDACTED}`)
    expect(redactor.of('ws_c').text(text)).toBe(`${secret} ${other} ${REDACTED}`)
    expect(redactor.all.text(text)).toBe(`${REDACTED} ${REDACTED} ${REDACTED}`)
    expect(redactor.inUse('ws_a', at('ws_a')).text(text)).toBe(`${REDACTED} ${other} ${REDACTED}`)
  })

  it('[redact.tenants] the same value of two workspaces stays with the one when the other’s is gone', () => {
    let time = 0
    const redactor = open(() => time)
    redactor.learn(at('ws_a'), [secret])
    redactor.learn(at('ws_b', 'conn_2'), [secret])
    redactor.destroyed('conn_1')
    time = HOUR + 1
    redactor.tidy()
    expect(redactor.of('ws_a').text(secret)).toBe(secret)
    expect(redactor.of('ws_b').text(secret)).toBe(REDACTED)
  })

  it('[redact.honest] short values are looked for in what comes back with them alone: a database’s password may be a word of ours', () => {
    const redactor = open()
    redactor.learn(at('ws_a'), ['password', 'abc'])
    expect(redactor.inUse('ws_a', at('ws_a')).text('the password abc')).toBe(`the ${REDACTED} abc`)
    for (const { text } of [redactor.of('ws_a'), redactor.all, redactor.inUse('ws_a', at('ws_a', 'conn_2'))])
      expect(text('the password abc')).toBe('the password abc')
  })

  it('[redact.lifetime] is known until an hour after its version was destroyed, and from its next opening on', () => {
    let time = 0
    const redactor = open(() => time)
    redactor.learn(at('ws_a', 'conn_1', 1), [secret])
    redactor.learn(at('ws_a', 'conn_1', 2), [other])
    const { text } = redactor.of('ws_a')
    time = 10 * HOUR
    redactor.tidy()
    expect(text(secret + other)).toBe(REDACTED + REDACTED) // nobody has destroyed it
    redactor.destroyed('conn_1', 1)
    time += HOUR - 1
    redactor.tidy()
    expect(text(secret)).toBe(REDACTED) // a step of an hour may be under way
    time += 1
    redactor.tidy()
    expect([text(secret), text(other), redactor.values]).toEqual([secret, REDACTED, 1])
    redactor.learn(at('ws_a', 'conn_1', 1), [secret])
    expect(text(secret)).toBe(REDACTED)
    redactor.learn(at('ws_a', 'conn_1', 1), [secret])
    expect(redactor.values).toBe(2)
  })

  it('[redact.closed] is bounded: those that no request is under way with make room, and where there is none no more are opened', () => {
    let time = 0
    const redactor = open(() => time, 100)
    for (let i = 0; i < 100; i++) redactor.learn(at('ws_a', `conn_${i}`), [`${secret}-${i}-`])
    expect(() => redactor.learn(at('ws_a', 'conn_more'), [other])).toThrow('more credentials are in use at once')
    time = 120_000
    redactor.learn(at('ws_a', 'conn_7'), [`${secret}-7-`])
    for (let i = 0; i < 50; i++) redactor.learn(at('ws_a', `conn_new_${i}`), [`${other}-${i}-`])
    const { text } = redactor.of('ws_a')
    expect(text(`${secret}-7-`)).toBe(REDACTED)
    expect(text(`${other}-49-`)).toBe(REDACTED)
    expect(redactor.values).toBeLessThanOrEqual(100)
  })

  it('[redact.closed] a text too large to search, or made so that searching it takes long, is refused', () => {
    const redactor = open()
    redactor.learn(at('ws_a'), [secret])
    const { bytes, text } = redactor.of('ws_a')
    expect(() => bytes(Buffer.alloc(MAX_SEARCHED_BYTES + 1))).toThrow('too large to be searched')
    const alike = `${secret.slice(0, 10)}${'?'.repeat(secret.length - 20)}${secret.slice(-10)}`
    expect(text(alike.repeat(1000))).toBe(alike.repeat(1000))
    const began = performance.now()
    expect(() => text(alike.repeat(300_000))).toThrow('cannot be searched')
    expect(performance.now() - began).toBeLessThan(20_000)
  })

  it('[redact.last-look] a line of the log loses the value and keeps its shape, or is left out', () => {
    const redactor = open()
    redactor.learn(at('ws_a'), [`"${secret}`, '","time":"2026-'])
    const line = JSON.stringify({ level: 'info', time: '2026-01-01T00:00:00Z', err: { stack: `Error: "${secret}\n at x`, name: 'Error' } })
    expect(JSON.parse(redactor.line(`${line}\n`))).toEqual({
      level: 'info',
      time: '2026-01-01T00:00:00Z',
      err: { stack: `Error: ${REDACTED}\n at x`, name: 'Error' },
    })
    expect(redactor.line('{"level":"info"}\n')).toBe('{"level":"info"}\n')
    expect(redactor.line(`no JSON: "${secret}\n`)).toBe(
      '{"level":"error","msg":"a line is left out: it could not be searched for credentials"}\n',
    )
  })
})
