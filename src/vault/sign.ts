/** Signatures with a secret, for what we send out. */
import { Webhook } from 'standardwebhooks'
import { reveal, type Secret } from './secret.ts'

export interface Signed {
  'webhook-id': string
  'webhook-timestamp': string
  'webhook-signature': string
}

/** The headers of Standard Webhooks (standardwebhooks.com, specification 1.0). `secret` is `whsec_` and base64. */
export function signWebhook(secret: Secret, message: { id: string; at: number; payload: string }): Signed {
  const at = new Date(Math.floor(message.at / 1000) * 1000)
  return {
    'webhook-id': message.id,
    'webhook-timestamp': String(at.getTime() / 1000),
    'webhook-signature': new Webhook(reveal(secret)).sign(message.id, at, message.payload),
  }
}
