import { bearer, connector, type Field, z } from '../contract.ts'
import { VERSION } from './call.ts'
import { media } from './media.ts'
import { messages } from './messages.ts'
import { check, numbers } from './numbers.ts'
import { meta, subscribe } from './sign-up.ts'
import { templates } from './templates.ts'

/** "Up to 80 messages per second" for each number, unless Meta has raised it ("Throughput"). */
const RATE = { requests: 80, perS: 1 }

const digits = { pattern: /^\d{5,32}$/, says: 'is digits only, and not the phone number itself' }
const fields: readonly Field[] = [
  {
    name: 'access_token',
    label: 'Access token',
    secret: true,
    required: true,
    hint:
      'Meta Business settings → Users → System users → Generate token, with the permissions whatsapp_business_messaging and ' +
      'whatsapp_business_management. The token of the page API Setup ends after 24 hours.',
    // Tokens commonly begin with EAA, which Meta does not promise.
    format: { pattern: /^[\x21-\x7e]{20,2048}$/, says: 'has at least 20 characters and no spaces' },
  },
  {
    name: 'business_account_id',
    aliases: ['waba_id'],
    label: 'WhatsApp business account ID',
    secret: false,
    required: true,
    hint: 'Meta app → WhatsApp → API Setup, below the phone number. It is not the id of the business portfolio.',
    format: digits,
  },
  {
    name: 'phone_number_id',
    label: 'Phone number ID',
    secret: false,
    required: false,
    hint: 'Meta app → WhatsApp → API Setup → From. Tools send from it unless a call names another one.',
    format: digits,
  },
]

const BROUGHT: Readonly<Record<string, string>> = {
  access_token: "Not entered: the server exchanges the code of Meta's window for it.",
  business_account_id: "waba_id of what Meta's window tells the page.",
  phone_number_id: "phone_number_id of what Meta's window tells the page.",
}
/** The same three, as the sign-up brings them. */
const brought = fields.map((it) => ({ ...it, hint: BROUGHT[it.name] ?? it.hint }))

export default connector({
  slug: 'whatsapp',
  title: 'WhatsApp',
  about: "Messages, media and templates by WhatsApp Business (Meta's Cloud API), with the numbers and templates of the account.",
  docs: 'https://developers.facebook.com/documentation/business-messaging/whatsapp/access-tokens',
  auth: {
    kind: 'api_key',
    services: {
      api_key: { title: 'Access token', fields, put: bearer('access_token') },
      embedded_signup: { title: 'Meta sign-up', fields: brought, put: bearer('access_token'), signUp: meta, signedUp: subscribe },
    },
    check,
  },
  config: z.strictObject({
    graph_version: z
      .string()
      .regex(/^v\d{2}\.\d$/, 'must be a version, such as v25.0')
      .optional()
      .describe(`Version of the Graph API, ${VERSION} when left out. Meta ends each one after about two years.`),
    api_base: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Another address than https://graph.facebook.com'),
  }),
  base: 'https://graph.facebook.com',
  baseKey: 'api_base',
  hosts: [],
  rate: RATE,
  tools: { ...messages, ...media, ...templates, ...numbers },
})
