import { describe, expect, it } from 'vitest'
import { error, replies } from '../../../test/fakes/google.ts'
import type { Reply } from '../../../test/fakes/stub.ts'
import { judge as tokenJudge } from '../../vault/judge.ts'
import { judge } from './judge.ts'
import { google } from './provider.ts'

const heard = ({ status, headers, body }: Reply) => judge({ status, headers: new Headers(headers), body })
const NOW = new Date('2026-01-21T12:42:51Z')

describe('what an answer of an API means', () => {
  it('a good one means nothing', () => expect(heard({ status: 204 })).toBeNull())

  it.each([
    ['a limit per minute', replies.limited('rateLimitExceeded'), 30],
    ['a limit per user', replies.limited('userRateLimitExceeded', 'User Rate Limit Exceeded'), 30],
    ['a limit per day', replies.limited('dailyLimitExceeded', 'Daily Limit Exceeded'), 3600],
    ['a limit of Calendar', replies.limited('quotaExceeded', 'Calendar usage limits exceeded.'), 3600],
    ['a limit of sharing', replies.limited('sharingRateLimitExceeded'), 3600],
    ['429', replies.tooMany(), 30],
    ['429 with Retry-After', replies.tooMany(7), 7],
    ['429 with RetryInfo', replies.exhausted('12.4s'), 13],
    ['429 with the time in the sentence', replies.userLimit(NOW, 900), 900],
    ['429 with a time that is over', replies.userLimit(NOW, -60), 0],
    ['429 that is a page', { status: 429, body: null }, 30],
  ])('%s is a rate limit', (_, reply, retryAfter) => {
    expect(heard(reply)).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', retryAfter })
  })

  it.each([
    ['the older form', error(403, 'Insufficient Permission', { reason: 'insufficientPermissions' })],
    ['the newer form', error(403, 'No.', { status: 'PERMISSION_DENIED', details: [{ reason: 'ACCESS_TOKEN_SCOPE_INSUFFICIENT' }] })],
    [
      'the challenge alone',
      { ...error(403, 'No.', { status: 'PERMISSION_DENIED' }), headers: { 'www-authenticate': 'Bearer error="insufficient_scope"' } },
    ],
  ])('a missing scope, in %s', (_, reply) => {
    expect(heard(reply)).toMatchObject({ code: 'SCOPE_MISSING', details: { reason: 'scope' } })
  })

  it.each([
    ['an API that is switched off', replies.apiDisabled(), 'api_disabled', 'For the operator'],
    [
      'the same in the newer form',
      error(403, 'x', { status: 'PERMISSION_DENIED', details: [{ reason: 'SERVICE_DISABLED' }] }),
      'api_disabled',
      'For the operator',
    ],
    ['administrators', replies.domainPolicy(), 'domainPolicy', 'Admin console'],
    [
      'a right that the account lacks',
      error(403, 'No.', { reason: 'insufficientFilePermissions' }),
      'insufficientFilePermissions',
      'No scope helps',
    ],
    [
      'the same without a reason',
      error(403, 'The caller does not have permission', { status: 'PERMISSION_DENIED' }),
      'PERMISSION_DENIED',
      'No scope helps',
    ],
    [
      'a file that was not given to the app',
      error(403, 'No.', { reason: 'appNotAuthorizedToFile' }),
      'appNotAuthorizedToFile',
      'drive.file',
    ],
    ['full storage', error(403, 'No.', { reason: 'storageQuotaExceeded' }), 'storageQuotaExceeded', 'full'],
    [
      'a limit that no waiting helps against',
      error(403, 'No.', { reason: 'exportSizeLimitExceeded' }),
      'exportSizeLimitExceeded',
      'No scope helps',
    ],
    ['a name that objects have', error(403, 'No.', { reason: 'constructor' }), 'constructor', 'No scope helps'],
    ['no mailbox', replies.noMailbox(), 'failedPrecondition', 'browser'],
  ])('%s asks nobody to consent again', (_, reply, reason, hint) => {
    expect(heard(reply)).toMatchObject({ code: 'UPSTREAM_INVALID', details: { reason }, hint: expect.stringContaining(hint) })
  })

  it('a 403 that is not in Google’s form condemns no scope', () => {
    expect(heard({ status: 403, body: { message: 'Proxy says no' } })).toMatchObject({
      code: 'SCOPE_MISSING',
      details: { reason: 'denied' },
    })
    expect(heard({ status: 403, body: null })).toMatchObject({ code: 'SCOPE_MISSING', details: { reason: 'denied' } })
  })

  it.each([
    [error(400, 'Bad Request', { reason: 'badRequest' }), 'UPSTREAM_INVALID'],
    [error(401, 'Invalid Credentials', { reason: 'authError' }), 'CREDENTIAL_REJECTED'],
    [error(404, 'Not Found', { reason: 'notFound' }), 'UPSTREAM_NOT_FOUND'],
    [error(409, 'The requested identifier already exists.', { reason: 'duplicate' }), 'UPSTREAM_CONFLICT'],
    [error(410, 'Resource has been deleted', { reason: 'deleted' }), 'UPSTREAM_NOT_FOUND'],
    [error(412, 'Precondition Failed', { reason: 'conditionNotMet' }), 'UPSTREAM_CONFLICT'],
    [error(500, 'Backend Error', { reason: 'backendError' }), 'UPSTREAM_ERROR'],
  ])('%o is %s', (reply, code) => {
    expect(heard(reply)).toMatchObject({ code })
  })
})

describe('what a refusal of the token endpoint means', () => {
  const refused = (status: number, body: object) =>
    tokenJudge({ status, type: 'application/json', body: JSON.stringify(body), retryAfterS: null }, google.refusals)

  it.each([
    ['taken back', 400, { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' }, 'permanent', 'user_revoked'],
    ['a wrong code', 400, { error: 'invalid_grant', error_description: 'Bad Request' }, 'permanent', 'user_revoked'],
    [
      'reauthentication',
      400,
      { error: 'invalid_grant', error_subtype: 'invalid_rapt', error_description: 'reauth related error (invalid_rapt)' },
      'permanent',
      'admin_policy',
    ],
    [
      'reauthentication, by the sentence',
      400,
      { error: 'invalid_grant', error_description: 'reauth related error (rapt_required)' },
      'permanent',
      'admin_policy',
    ],
    ['administrators', 400, { error: 'admin_policy_enforced' }, 'permanent', 'admin_policy'],
    ['another organization', 403, { error: 'org_internal' }, 'misconfigured', 'client_not_allowed'],
    [
      'a deleted client',
      401,
      { error: 'deleted_client', error_description: 'The OAuth client was deleted.' },
      'misconfigured',
      'client_refused',
    ],
    ['a disabled client', 401, { error: 'disabled_client' }, 'misconfigured', 'client_refused'],
    ['a wrong secret', 401, { error: 'invalid_client', error_description: 'Unauthorized' }, 'misconfigured', 'client_refused'],
    ['a removed key', 400, { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' }, 'permanent', 'key_rejected'],
    ['a delegation that is not set up', 401, { error: 'unauthorized_client' }, 'misconfigured', 'client_not_allowed'],
    [
      'a user who is gone',
      400,
      { error: 'invalid_request', error_description: 'Invalid impersonation "sub" field: x' },
      'permanent',
      'key_rejected',
    ],
  ])('%s', (_, status, body, why, reason) => {
    expect(refused(status, body)).toMatchObject({ ok: false, why, reason })
  })

  it('trouble of Google’s own condemns nothing', () => {
    expect(refused(500, { error: 'internal_failure' })).toMatchObject({ why: 'transient' })
  })
})

describe('the provider', () => {
  it('calls each scope by the name that Google answers with', () => {
    expect(google.scopeAliases).toEqual({
      email: 'https://www.googleapis.com/auth/userinfo.email',
      profile: 'https://www.googleapis.com/auth/userinfo.profile',
    })
  })

  it('takes a key file and nothing else for one', () => {
    const { fields } = google.manual.service_account ?? { fields: [] }
    const { pattern } = fields.find((it) => it.name === 'service_account_json')?.format ?? { pattern: /$^/ }
    expect([
      pattern.test('{"type":"service_account"}'),
      pattern.test('\n{\n}\n'),
      pattern.test('ya29.token'),
      pattern.test('{"cut'),
    ]).toEqual([true, true, false, false])
  })
})
