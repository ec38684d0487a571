/** The parts of Meta's answers that graphs rely on, and of what is sent. Answers are loose: whatever else Meta sends is passed on. */
import { z } from '../contract.ts'

/** `message_status` says `accepted`, or that Meta holds a template back for its quality. Whether it arrives, webhooks tell. */
export const Sent = z.looseObject({
  messaging_product: z.string().optional(),
  contacts: z.array(z.looseObject({ input: z.string(), wa_id: z.string().optional() })).optional(),
  messages: z.array(z.looseObject({ id: z.string(), message_status: z.string().optional() })).min(1),
})

export const PhoneNumber = z.looseObject({
  id: z.string(),
  display_phone_number: z.string(),
  verified_name: z.string().optional(),
  quality_rating: z.string().optional(),
  code_verification_status: z.string().optional(),
})

export const Template = z.looseObject({
  id: z.string(),
  name: z.string(),
  language: z.string().optional(),
  status: z.string().optional(),
  category: z.string().optional(),
  components: z.array(z.looseObject({ type: z.string() })).optional(),
})

/** Meta takes digits with or without + and marks between them; without the country code it guesses, often wrongly. */
export const to = z
  .string()
  .regex(/^\+?\d[\d ().-]{4,28}\d$/, 'must be a phone number with its country code, such as +15550123456')
  .describe('Phone number of the recipient with its country code, such as +15550123456')

export const replyTo = z
  .string()
  .regex(/^wamid\.[\w+/=-]+$/, 'must be the id of a message, such as wamid.HBgL…')
  .max(512)
  .optional()
  .describe('Id of an earlier message of this chat (wamid.…) that this one answers, shown above it')
