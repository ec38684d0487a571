/** What was entered for Firestore, read by light code: which account, which database, and where requests go. */
import { fail } from '../../base/errors.ts'
import type { Credential } from './driver.ts'

/** Google's own hosts; there are no others unless an administrator names a test endpoint (`api_base`). */
export const DATA_HOST = 'firestore.googleapis.com'
export const RULES_HOST = 'firebaserules.googleapis.com'
export const TOKEN_HOST = 'oauth2.googleapis.com'
const TOKEN_URI = `https://${TOKEN_HOST}/token`

/** https://cloud.google.com/resource-manager/docs/creating-managing-projects and the database ids of Firestore's `CreateDatabase`. */
export const PROJECT_ID = /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/
export const DATABASE_ID = /^(\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9])$/

export interface Target {
  /** The whole key file. */
  keyFile: string
  /** What of it is a secret by itself. */
  privateKey: string
  /** The service account's name: an e-mail address. */
  account: string
  project: string
  database: string
}

export function targetOf({ secret, entered }: Credential): Target {
  const keyFile = secret.service_account_json ?? fail('CREDENTIAL_MALFORMED', 'the connection has no service_account_json')
  const key = readKeyFile(keyFile)
  const project = entered.project_id ?? key.project_id
  const database = entered.database ?? '(default)'
  if (typeof project !== 'string')
    return fail('CREDENTIAL_MALFORMED', 'the key file names no project', { hint: 'Enter project_id beside it.' })
  // Both become part of every resource name, so nothing but a plain name may stand there.
  if (!PROJECT_ID.test(project)) return fail('CREDENTIAL_MALFORMED', 'the project id is not one that Google gives out')
  if (typeof database !== 'string' || !DATABASE_ID.test(database))
    return fail('CREDENTIAL_MALFORMED', 'the database id is neither (default) nor 4 to 63 small letters, digits and hyphens')
  return { keyFile, privateKey: key.private_key, account: key.client_email, project, database }
}

interface KeyFile {
  client_email: string
  private_key: string
  project_id?: unknown
}

/** Only a downloaded key, and only Google's own token endpoint: a path or an ambient identity would be the host's, not the caller's. */
function readKeyFile(text: string): KeyFile {
  const bad = (says: string, hint = 'Paste the JSON file as Google gave it for download.'): never =>
    fail('CREDENTIAL_MALFORMED', says, { hint })
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return bad('service_account_json is not JSON', 'Paste what is in the file, not where it lies.')
  }
  if (parsed === null || typeof parsed !== 'object') return bad('service_account_json is no JSON object')
  const key = parsed as Record<string, unknown>
  if (key.type !== 'service_account')
    return bad('service_account_json is not the key of a service account: its type must be "service_account"')
  if (typeof key.client_email !== 'string' || typeof key.private_key !== 'string')
    return bad('service_account_json lacks client_email or private_key')
  if (key.token_uri !== TOKEN_URI)
    return bad(`service_account_json must have the token_uri ${TOKEN_URI}`, 'A key is signed for no other endpoint. Create a new key.')
  if (key.universe_domain !== undefined && key.universe_domain !== 'googleapis.com')
    return bad('service_account_json is for another cloud than googleapis.com')
  return { client_email: key.client_email, private_key: key.private_key, project_id: key.project_id }
}

export interface WhereTo {
  data: { host: string; port: number; tls: boolean }
  /** `https://host`, no slash at its end. */
  rules: string
  /** Also the audience of what is signed for it: a test endpoint gets nothing that Google would take. */
  token: string
}

export function whereTo(apiBase: unknown): WhereTo {
  if (typeof apiBase !== 'string')
    return { data: { host: DATA_HOST, port: 443, tls: true }, rules: `https://${RULES_HOST}`, token: TOKEN_URI }
  const url = new URL(apiBase)
  const tls = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return { data: { host, port: Number(url.port) || (tls ? 443 : 80), tls }, rules: url.origin, token: `${url.origin}/token` }
}
