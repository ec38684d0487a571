/** What can be connected, read off the shelf. */
import { z } from 'zod'
import type { Connector, Field, OAuthProvider } from '../connectors/contract.ts'
import { operation } from './operation.ts'

const field = z.object({
  name: z.string(),
  label: z.string(),
  secret: z.boolean(),
  required: z.boolean(),
  hint: z.string(),
  format: z.string().nullable().describe('a regular expression'),
  format_says: z.string().nullable().describe('what it demands, after "It"'),
})
const template = z.object({
  provider: z.string(),
  display_name: z.string(),
  about: z.string(),
  auth_kind: z.enum(['api_key', 'dsn', 'oauth']),
  docs: z.string(),
  services: z
    .array(
      z.object({
        slug: z.string(),
        title: z.string(),
        fields: z.array(field),
        can_try: z.boolean().describe('connections.try takes it; what gets its first token when it is saved cannot be tried before'),
      }),
    )
    .describe('what is entered by hand'),
  sign_in: z
    .object({ services: z.array(z.object({ slug: z.string(), title: z.string(), about: z.string(), scopes: z.array(z.string()) })) })
    .nullable()
    .describe('for accounts that are connected by signing in: what can be switched on'),
})
type Template = z.output<typeof template>

const fieldsOf = (fields: readonly Field[]) =>
  fields.map(({ name, label, secret, required, hint, format }) => ({
    name,
    label,
    secret,
    required,
    hint,
    format: format?.pattern.source ?? null,
    format_says: format?.says ?? null,
  }))

function ofConnector({ slug, title, about, docs, auth }: Connector): Template[] {
  const told = { provider: slug, display_name: title, about, docs, sign_in: null }
  if (auth.kind === 'dsn')
    return [
      {
        ...told,
        auth_kind: auth.kind,
        services: [{ slug: 'dsn', title: 'Connection string', fields: fieldsOf(auth.fields), can_try: true }],
      },
    ]
  if (auth.kind !== 'api_key') return []
  const entered = Object.entries(auth.services).filter(([, s]) => s.signUp === undefined)
  const services = entered.map(([name, s]) => ({
    slug: name,
    title: s.title,
    fields: fieldsOf(s.fields),
    can_try: s.exchange === undefined,
  }))
  return [{ ...told, auth_kind: auth.kind, services }]
}

const ofProvider = (p: OAuthProvider): Template => ({
  provider: p.slug,
  display_name: p.title,
  about: p.about,
  auth_kind: 'oauth',
  docs: p.docs,
  services: Object.entries(p.manual).map(([slug, m]) => ({ slug, title: m.title, fields: fieldsOf(m.fields), can_try: false })),
  sign_in: { services: Object.entries(p.services).map(([slug, s]) => ({ slug, title: s.title, about: s.about, scopes: [...s.scopes] })) },
})

export const templates = operation({
  name: 'connections.templates',
  http: 'GET /v1/connections/templates',
  about: 'What can be connected: fields of what is entered, and services of what is signed in to.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'the same for everybody' },
  input: z.strictObject({}),
  output: z.object({ items: z.array(template) }),
  run: async ({ connections }) => ({
    items: [...[...connections.connectors.values()].flatMap(ofConnector), ...[...connections.providers.values()].map(ofProvider)],
  }),
})
