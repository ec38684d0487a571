import { type Tool, tool, z } from '../contract.ts'
import { account, accountOf, page, paged, send, sender } from './call.ts'
import { deliver } from './messages.ts'
import { replyTo, Sent, Template, to } from './shapes.ts'

/** Meta's own bounds are below these; they keep a mistake from becoming a large request. */
const MOST_PARAMETERS = 50
const LONGEST_VALUE = 32_768

const text = z.string().min(1).max(LONGEST_VALUE)
const name = z
  .string()
  .regex(/^[a-z0-9_]+$/, 'must be lower case letters, digits and underscores')
  .max(512)
const file = z
  .strictObject({ id: z.string().optional(), link: z.url().optional(), filename: z.string().optional(), caption: z.string().optional() })
  .refine((it) => (it.id === undefined) !== (it.link === undefined), 'Give exactly one of id and link.')
const named = { parameter_name: z.string().optional().describe('For templates with named parameters') }

/** "Template components" of the Cloud API. */
const parameter = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text'), text, ...named }),
  z.strictObject({
    type: z.literal('currency'),
    currency: z.strictObject({ fallback_value: text, code: z.string().regex(/^[A-Z]{3}$/), amount_1000: z.int() }),
    ...named,
  }),
  z.strictObject({ type: z.literal('date_time'), date_time: z.strictObject({ fallback_value: text }), ...named }),
  z.strictObject({ type: z.literal('image'), image: file }),
  z.strictObject({ type: z.literal('video'), video: file }),
  z.strictObject({ type: z.literal('document'), document: file }),
  z.strictObject({
    type: z.literal('location'),
    location: z.strictObject({
      latitude: z.union([z.string(), z.number()]),
      longitude: z.union([z.string(), z.number()]),
      name: z.string().optional(),
      address: z.string().optional(),
    }),
  }),
  z.strictObject({ type: z.literal('payload'), payload: text }),
  z.strictObject({ type: z.literal('coupon_code'), coupon_code: text }),
  z.strictObject({ type: z.literal('action'), action: z.record(z.string(), z.unknown()) }),
])
const parameters = z.array(parameter).max(MOST_PARAMETERS)
const subType = z.enum(['quick_reply', 'url', 'copy_code', 'flow', 'catalog', 'mpm', 'voice_call'])
const index = z.int().min(0).max(9)
const component = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('header'), parameters }),
  z.strictObject({ type: z.literal('body'), parameters }),
  z.strictObject({ type: z.literal('button'), sub_type: subType, index: z.union([index, z.string().regex(/^\d$/)]), parameters }),
])
const button = z
  .strictObject({
    index: index.describe('Which button, from 0'),
    text: text.optional().describe('What the address of a url button ends with'),
    payload: text.optional().describe('What comes back when a quick reply is chosen'),
    coupon_code: text.optional().describe('What a copy button copies'),
  })
  .refine((it) => [it.text, it.payload, it.coupon_code].filter((way) => way !== undefined).length === 1, {
    error: 'Give exactly one of text, payload and coupon_code for a button.',
  })
type Button = z.output<typeof button>

const texts = (values: readonly string[]) => values.map((value) => ({ type: 'text' as const, text: value }))
const texted = z.array(text).min(1).max(MOST_PARAMETERS).optional()

/** The three short forms as the components that Meta takes. */
export function componentsOf(
  header: readonly string[] | undefined,
  body: readonly string[] | undefined,
  buttons: readonly Button[] | undefined,
): z.output<typeof component>[] {
  return [
    ...(header === undefined ? [] : [{ type: 'header' as const, parameters: texts(header) }]),
    ...(body === undefined ? [] : [{ type: 'body' as const, parameters: texts(body) }]),
    ...(buttons ?? []).map((it) => {
      const at = { type: 'button' as const, index: it.index }
      if (it.text !== undefined) return { ...at, sub_type: 'url' as const, parameters: texts([it.text]) }
      if (it.payload !== undefined)
        return { ...at, sub_type: 'quick_reply' as const, parameters: [{ type: 'payload' as const, payload: it.payload }] }
      return {
        ...at,
        sub_type: 'copy_code' as const,
        parameters: [{ type: 'coupon_code' as const, coupon_code: it.coupon_code as string }],
      }
    }),
  ]
}

const input = z
  .strictObject({
    to,
    template_name: name.describe('Name of an approved template: list_message_templates shows them'),
    language: z
      .string()
      .regex(/^[a-z]{2,3}(_[A-Z]{2,3})?$/, 'must be a language of the template, such as en_US')
      .describe('Language that the template is approved in, such as en_US'),
    header_parameters: texted.describe('Texts for the variables of the header, in order'),
    body_parameters: texted.describe('Texts for the variables of the body, in order'),
    button_parameters: z.array(button).min(1).max(10).optional().describe('Values for buttons that have a variable'),
    components: z
      .array(component)
      .min(1)
      .max(20)
      .optional()
      .describe('Instead of the three above: the components as Meta takes them, for media headers, amounts, dates and named parameters'),
    reply_to_message_id: replyTo,
    phone_number_id: sender,
  })
  .refine(
    (it) => it.components === undefined || (it.header_parameters ?? it.body_parameters ?? it.button_parameters) === undefined,
    'Give components, or header_parameters, body_parameters and button_parameters, but not both.',
  )

export const templates: Record<string, Tool> = {
  send_template_message: tool({
    about:
      'Sends an approved WhatsApp template to one person, also when they have not written within 24 hours, which is what templates are ' +
      'for. Look up name, language and variables with list_message_templates first. Marketing templates cost money and may be held back.',
    effect: 'write',
    repeatable: false,
    scopes: ['whatsapp_business_messaging'],
    input,
    output: Sent,
    example: {
      to: '+15550123456',
      template_name: 'order_shipped',
      language: 'en_US',
      body_parameters: ['Ada', '4711'],
      button_parameters: [{ index: 0, text: '4711' }],
    },
    run: (ctx, { template_name, language, header_parameters, body_parameters, button_parameters, components, ...frame }) => {
      const parts = components ?? componentsOf(header_parameters, body_parameters, button_parameters)
      return deliver(ctx, frame, 'template', {
        name: template_name,
        language: { code: language },
        ...(parts.length === 0 ? {} : { components: parts }),
      })
    },
  }),

  list_message_templates: tool({
    about:
      'Lists the message templates of the WhatsApp business account with language, status, category and components, by status or name ' +
      'where asked. Use it before send_template_message, to see which variables a template has.',
    effect: 'read',
    repeatable: true,
    scopes: ['whatsapp_business_management'],
    input: z.strictObject({
      status: z.enum(['APPROVED', 'PENDING', 'REJECTED', 'PAUSED', 'DISABLED']).optional().describe('Only an APPROVED one can be sent'),
      name: name.optional().describe('Templates whose name has this in it'),
      ...paged,
      business_account_id: account,
    }),
    output: z.object({ items: z.array(Template), next_after: z.string().nullable() }),
    example: { status: 'APPROVED', limit: 10 },
    run: async (ctx, { business_account_id, ...query }) => {
      const { body } = await send(ctx, {
        path: '/{business_account_id}/message_templates',
        at: { business_account_id: accountOf(ctx, business_account_id) },
        query,
        needs: 'whatsapp_business_management',
      })
      return page(body) as { items: z.output<typeof Template>[]; next_after: string | null }
    },
  }),
}
