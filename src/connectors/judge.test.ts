import { describe, expect, it } from 'vitest'
import { nextPage, said, standardJudge, waitOf } from './judge.ts'

const DATE = 'Sun, 22 Nov 2026 17:00:00 GMT'

describe('the standard judge', () => {
  it.each([
    [200, null],
    [204, null],
    [302, 'UPSTREAM_ERROR'],
    [400, 'UPSTREAM_INVALID'],
    [401, 'CREDENTIAL_REJECTED'],
    [402, 'UPSTREAM_INVALID'],
    [403, 'SCOPE_MISSING'],
    [404, 'UPSTREAM_NOT_FOUND'],
    [408, 'UPSTREAM_ERROR'],
    [409, 'UPSTREAM_CONFLICT'],
    [410, 'UPSTREAM_NOT_FOUND'],
    [412, 'UPSTREAM_CONFLICT'],
    [422, 'UPSTREAM_INVALID'],
    [429, 'UPSTREAM_RATE_LIMITED'],
    [500, 'UPSTREAM_ERROR'],
    [503, 'UPSTREAM_ERROR'],
  ] as const)('reads %i as %s', (status, code) => {
    expect(standardJudge({ status, headers: new Headers(), body: null })?.code ?? null).toBe(code)
  })

  it("keeps the vendor's own sentence", () => {
    const verdict = standardJudge({ status: 422, headers: new Headers(), body: { message: 'name is  too\nlong' } }, 'Acme')
    expect(verdict?.message).toBe('Acme did not accept the request (422): name is too long')
  })
})

describe('said', () => {
  it.each([
    [{ message: 'a' }, 'a'],
    [{ error: { message: 'b', code: 3 } }, 'b'],
    [{ error: 'invalid_grant', error_description: 'c' }, 'c'],
    [{ errors: [{ detail: 'd' }, { detail: 'e' }] }, 'd'],
    ['plain\u0000 text ', 'plain text'],
    [{ code: 4 }, ''],
    [null, ''],
    [{ message: 'x'.repeat(999) }, 'x'.repeat(300)],
  ])('%j', (body, sentence) => {
    expect(said(body)).toBe(sentence)
  })
})

describe('waitOf', () => {
  it.each([
    [{ 'retry-after': '7' }, 7],
    [{ 'retry-after': 'Sun, 22 Nov 2026 17:01:30 GMT', date: DATE }, 90],
    [{ 'retry-after': 'Sun, 22 Nov 2026 16:00:00 GMT', date: DATE }, 0],
    [{ 'retry-after': 'soon', date: DATE }, undefined],
    [{ reset: String(Date.parse(DATE) / 1000 + 1800), date: DATE }, 1800],
    [{ reset: '1', date: DATE }, 0],
    [{ reset: '1' }, undefined],
    [{ 'retry-after': '5', reset: String(Date.parse(DATE) / 1000 + 1800), date: DATE }, 5],
    [{}, undefined],
  ])('%j waits %s s', (headers, seconds) => {
    expect(waitOf(new Headers(headers as Record<string, string>), 'reset')).toBe(seconds)
  })
})

describe('nextPage', () => {
  it.each([
    ['<https://api.example.com/a?per_page=2&page=4>; rel="next", <https://api.example.com/a?page=9>; rel="last"', 4],
    ['<https://api.example.com/a?page=1>; rel="prev", <https://api.example.com/a?x=a,b&page=3>; rel=next', 3],
    ['<https://api.example.com/a?page=1>; rel="prev", <https://api.example.com/a?page=1>; rel="first"', null],
    ['<https://api.example.com/a?after=xyz>; rel="next"', null],
    ['', null],
  ])('%s', (link, page) => {
    expect(nextPage(new Headers({ link }))).toBe(page)
  })
})
