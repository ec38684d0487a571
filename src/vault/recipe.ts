/** What a credential is and where it goes. Data only: a connector states it, this room carries it out. */

import type { Sessions } from './drivers/session.ts'

/** One value that a person enters when connecting. */
export interface Field {
  /** snake_case, as in the API: `api_key`, `dsn`, `header_name`. */
  name: string
  /** Other names that it is taken under: those of the vendor's or another product's papers. */
  aliases?: readonly string[]
  label: string
  secret: boolean
  required: boolean
  /** Where a person finds it. */
  hint: string
  /** A public one that says where the secret goes: whoever changes it enters the secret again. */
  where?: true
  /** A format check. `says` completes the sentence "<label> …", and never repeats the value. */
  format?: { pattern: RegExp; says: string }
}

/** Where a credential goes in an HTTP request. `field` names the secret field; `{ field }` as a name reads a non-secret one. */
export type Put =
  | { in: 'header'; name: string | { field: string }; prefix: string; field: string }
  | { in: 'query'; name: string | { field: string }; field: string }
  | { in: 'basic'; user: string; password: string }
  /** As the one entry of a list in a JSON body, and in no header. */
  | { in: 'list'; name: string; field: string }

/** `Authorization: Bearer …` (RFC 6750 §2.1). */
export const bearer = (field = 'api_key'): Put => ({ in: 'header', name: 'authorization', prefix: 'Bearer ', field })
export const header = (name: string | { field: string }, field = 'api_key'): Put => ({ in: 'header', name, prefix: '', field })
export const query = (name: string | { field: string }, field = 'api_key'): Put => ({ in: 'query', name, field })
/** `Authorization: Basic …` (RFC 7617): both arguments are field names. */
export const basic = (user = 'username', password = 'password'): Put => ({ in: 'basic', user, password })

/** Database wires that `vault/drivers/` speaks. */
export type Wire = keyof Sessions
