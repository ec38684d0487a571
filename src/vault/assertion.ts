/** A service account's own word for itself: a signed JWT that is exchanged for an access token (RFC 7523 §2.1). */
import { createPrivateKey, sign } from 'node:crypto'
import { fail } from '../base/errors.ts'
import { conceal, reveal, type Secret } from './secret.ts'

/** Google takes no more than an hour; it is used at once. */
const LIVES_S = 3600
/** Clocks differ; a token from the future is refused. */
const BACKDATED_S = 30

interface KeyFile {
  client_email: string
  private_key: string
  private_key_id?: string
}

const malformed = (says: string): never =>
  fail('CREDENTIAL_MALFORMED', `the service account's key file ${says}`, {
    hint: 'Paste the JSON file as it was downloaded: it has "client_email" and "private_key" in it.',
  })

/** Reads the key file. Its `token_uri` is ignored on purpose: where a credential goes is not for the credential to say. */
function keyFile(text: string): KeyFile {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return malformed('is not JSON')
  }
  const { client_email, private_key, private_key_id } = (parsed ?? {}) as Record<string, unknown>
  if (typeof client_email !== 'string' || typeof private_key !== 'string') return malformed('lacks client_email or private_key')
  return { client_email, private_key, ...(typeof private_key_id === 'string' ? { private_key_id } : {}) }
}

/** What is a secret by itself inside of a key file. */
export const secretsInKeyFile = (file: Secret): Secret[] => [conceal(keyFile(reveal(file)).private_key)]

/** The same for an opened value that may be such a file or any other. */
export function keysIn(text: string): string[] {
  if (!text.startsWith('{')) return []
  try {
    return [keyFile(text).private_key]
  } catch {
    return []
  }
}

export function assertion(
  text: string,
  claims: { audience: string; now: number; subject: string | null; scope: string | undefined },
): string {
  const file = keyFile(text)
  const issued = Math.floor(claims.now / 1000) - BACKDATED_S
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const header = { alg: 'RS256', typ: 'JWT', ...(file.private_key_id ? { kid: file.private_key_id } : {}) }
  const body = {
    iss: file.client_email,
    ...(claims.subject ? { sub: claims.subject } : {}),
    ...(claims.scope ? { scope: claims.scope } : {}),
    aud: claims.audience,
    iat: issued,
    exp: issued + LIVES_S,
  }
  const input = `${part(header)}.${part(body)}`
  try {
    const key = createPrivateKey(file.private_key)
    if (key.asymmetricKeyType !== 'rsa') return malformed('has no RSA key in it')
    return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
  } catch (error) {
    if ((error as { code?: string }).code === 'CREDENTIAL_MALFORMED') throw error
    return malformed('has a private_key that cannot be read')
  }
}
