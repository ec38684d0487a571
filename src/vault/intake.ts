/** Credentials on their way in: told apart into secret and public fields, and checked, before anything is stored. */
import { fail } from '../base/errors.ts'
import type { Field } from './recipe.ts'
import { conceal, reveal, type Secret } from './secret.ts'

export interface Intake {
  secret: Record<string, Secret>
  public: Record<string, string>
}

/** What a form sends back for a field that nobody touched: nothing, dots, stars, or our own mark. */
const MASK = /^(?:[•*●∙]+|…?[•*●∙]{2,}.{0,4}|«secret»)?$/

/** Longer than any key, token, DSN or service-account file; short enough to seal without thought. */
const MAX_LENGTH = 32_768

/**
 * Checks names, presence and format. On an update (`partial`) blank and masked values mean "unchanged".
 * Faults: CREDENTIAL_MALFORMED, which names the field and what is wrong, never the value.
 */
export function intake(title: string, fields: readonly Field[], given: Readonly<Record<string, Secret>>, partial: boolean): Intake {
  const out: Intake = { secret: {}, public: {} }
  const known = fields.map((f) => f.name)
  for (const { name, aliases = [] } of fields)
    for (const alias of aliases) if (alias in given && !(name in given)) given = renamed(given, alias, name)
  for (const name of Object.keys(given))
    if (!known.includes(name))
      fail('INVALID_INPUT', `unknown field credentials.${name}`, { hint: `${title} takes: ${known.join(', ')}.`, details: { known } })
  for (const field of fields) {
    const value = field.name in given ? reveal(given[field.name] as Secret).trim() : ''
    if (MASK.test(value)) {
      if (field.required && !partial)
        fail('CREDENTIAL_MALFORMED', `${field.label} (credentials.${field.name}) is missing`, {
          hint: field.hint,
          details: { field: field.name },
        })
      continue
    }
    const wrong =
      value.length > MAX_LENGTH
        ? `is longer than ${MAX_LENGTH} characters`
        : /[\0\r\n]/.test(value) && !value.startsWith('{')
          ? 'has a line break in it'
          : field.format && !field.format.pattern.test(value)
            ? `is malformed: a right one ${field.format.says}`
            : null
    if (wrong)
      fail('CREDENTIAL_MALFORMED', `${field.label} (credentials.${field.name}) ${wrong}`, {
        hint: field.hint,
        details: { field: field.name },
      })
    if (field.secret) out.secret[field.name] = conceal(value)
    else out.public[field.name] = value
  }
  return out
}

function renamed(given: Readonly<Record<string, Secret>>, from: string, to: string): Record<string, Secret> {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name === from ? to : name, value]))
}
