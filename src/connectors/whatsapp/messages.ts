import { type Tool, type ToolContext, tool, z } from '../contract.ts'
import { phoneOf, read, send, sender } from './call.ts'
import { replyTo, Sent, to } from './shapes.ts'

/** "Text messages": body. */
const LONGEST_TEXT = 4096

interface Frame {
  to: string
  phone_number_id?: string | undefined
  reply_to_message_id?: string | undefined
}
/**
 * One message. Meta knows no idempotency key; the call's own goes along as the text that it repeats in the webhooks about this message, so
 * that one whose answer was lost can be found again.
 */
export async function deliver(ctx: ToolContext, frame: Frame, type: string, content: unknown): Promise<z.output<typeof Sent>> {
  const { body } = await send(ctx, {
    method: 'POST',
    path: '/{phone_number_id}/messages',
    at: { phone_number_id: phoneOf(ctx, frame.phone_number_id) },
    body: {
      messaging_product: 'whatsapp',
      recipient_type: 'individual',
      to: frame.to,
      type,
      [type]: content,
      ...(frame.reply_to_message_id === undefined ? {} : { context: { message_id: frame.reply_to_message_id } }),
      biz_opaque_callback_data: ctx.key,
    },
    needs: 'whatsapp_business_messaging',
  })
  return read(Sent, body)
}

export const messages: Record<string, Tool> = {
  send_message: tool({
    about:
      'Sends a text by WhatsApp to one person who has written to this number within the last 24 hours. Later than that WhatsApp takes ' +
      'templates only: use send_template_message. The answer says that Meta has accepted it, not that it has arrived.',
    effect: 'write',
    repeatable: false,
    scopes: ['whatsapp_business_messaging'],
    input: z.strictObject({
      to,
      body: z.string().min(1).max(LONGEST_TEXT).describe('Up to 4096 characters; *bold*, _italic_, ~struck~ and ```code``` as in the app'),
      preview_url: z.boolean().optional().describe('Show a preview of the first link in the text'),
      reply_to_message_id: replyTo,
      phone_number_id: sender,
    }),
    output: Sent,
    example: { to: '+15550123456', body: 'Your parcel is on its way: https://shop.example/track/1', preview_url: true },
    run: (ctx, { body, preview_url = false, ...frame }) => deliver(ctx, frame, 'text', { body, preview_url }),
  }),
}
