import { describe, expect, it } from 'vitest'
import { readInspection } from './codes.ts'
import { judge, type RefusalRow } from './judge.ts'

describe('what a provider says of a token', () => {
  it('reads scopes, the end, and what each scope was given for', () => {
    const data = {
      app_id: '42',
      is_valid: true,
      expires_at: 1_800_000_000,
      scopes: ['read', 'write'],
      granular_scopes: [{ scope: 'read', target_ids: ['7', '8'] }, { scope: 'write' }],
    }
    expect(readInspection(JSON.stringify({ data }))).toEqual({
      valid: true,
      client: '42',
      scopes: ['read', 'write'],
      expiresAt: 1_800_000_000_000,
      targets: { read: ['7', '8'] },
    })
  })

  it.each([
    ['without an end', { is_valid: true, expires_at: 0 }, { valid: true, expiresAt: null }],
    ['that is dead', { is_valid: false }, { valid: false, scopes: [], targets: {} }],
    ['with parts of another kind', { is_valid: true, scopes: 'read', granular_scopes: [null] }, { scopes: [], targets: {} }],
  ])('of a token %s', (_, data, says) => {
    expect(readInspection(JSON.stringify({ data }))).toMatchObject(says)
  })

  it.each(['', 'null', '[]', '{"data":7}', '{"data":{}}', '<html>', '{"error":{"code":190}}'])('%s says nothing', (text) => {
    expect(readInspection(text)).toBeNull()
  })
})

describe('a nested error', () => {
  const rows: RefusalRow[] = [
    { description: /secret/, means: { class: 'misconfigured', reason: 'client_refused' } },
    { error: '100', subtype: '36009', means: { class: 'permanent', reason: 'consent_required' } },
  ]
  it.each([
    [
      { code: 1, message: 'wrong secret' },
      { why: 'misconfigured', code: '1' },
    ],
    [
      { code: 100, error_subcode: 36009, message: 'used' },
      { why: 'permanent', code: '100' },
    ],
    [
      { code: 100, error_subcode: 1, message: 'used' },
      { why: 'unknown', code: '100' },
    ],
    [{ message: 'no code' }, { why: 'unknown', code: 'http_400' }],
  ])('%j is judged by code, subcode and message', (error, says) => {
    expect(judge({ status: 400, type: 'application/json', body: JSON.stringify({ error }), retryAfterS: null }, rows)).toMatchObject(says)
  })
})
