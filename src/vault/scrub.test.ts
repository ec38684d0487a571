import { describe, expect, it } from 'vitest'
import { createScrubber, REDACTED } from './scrub.ts'

const value = `k/é+"&<'\\z-0123456789`
/** As the JSON writers of these languages put the value between quotes. */
const WRITTEN = {
  JavaScript: `k/é+\\"&<'\\\\z-0123456789`,
  PHP: `k\\/\\u00e9+\\"&<'\\\\z-0123456789`,
  'PHP, unescaped Unicode': `k\\/é+\\"&<'\\\\z-0123456789`,
  Python: `k/\\u00e9+\\"&<'\\\\z-0123456789`,
  Go: `k/é+\\"\\u0026\\u003c'\\\\z-0123456789`,
  '.NET': `k/\\u00E9\\u002B\\u0022\\u0026\\u003C\\u0027\\\\z-0123456789`,
  'every character': [...value].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
}

describe('what comes back', () => {
  it.each(Object.entries(WRITTEN))('[canary.json-escapes] is clean after a JSON body written by %s', (_language, written) => {
    const body = `{"n":12345678901234567890,"you":["Bearer ${written}!"]}`
    expect(JSON.parse(body).you).toEqual([`Bearer ${value}!`]) // the table is right
    const clean = createScrubber([value]).body(Buffer.from(body)).toString()
    expect(JSON.parse(clean).you).toEqual([`Bearer ${REDACTED}!`])
  })

  it.each(Object.entries(WRITTEN).slice(0, -1))(
    '[canary.json-escapes] is clean after lines of JSON written by %s',
    (_language, written) => {
      const clean = createScrubber([value])
        .body(Buffer.from(`{"a":1}\n{"you":"${written}"}\n`))
        .toString()
      expect(clean).toBe(`{"a":1}\n{"you":"${REDACTED}"}\n`)
    },
  )

  it('[canary.json-escapes] is as it came where nothing is found: numbers, escapes and broken JSON', () => {
    const { body } = createScrubber([value])
    for (const text of ['{"n":12345678901234567890,"t":"a\\/b\\u0041"}', '{"cut":"a\\/', 'C:\\temp', ''])
      expect(body(Buffer.from(text)).toString()).toBe(text)
  })

  it('reaches no prototype through a key', () => {
    const { json } = createScrubber([value])
    const clean = json(JSON.parse(`{"__proto__":{"polluted":1},"you":${JSON.stringify(value)}}`))
    expect(Object.getPrototypeOf(clean)).toBe(Object.prototype)
    expect(Object.keys(clean)).toEqual(['__proto__', 'you'])
  })
})
