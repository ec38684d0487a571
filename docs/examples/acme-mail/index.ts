import { apiKey, bearer, type Checked, connector, rest, type ToolContext, tool, z } from '../../../src/connectors/contract.ts'

export default connector({
  slug: 'acme-mail',
  title: 'Acme Mail',
  about: 'Sends mail through Acme.',
  docs: 'https://acme.example/docs/api-keys',
  auth: apiKey({
    put: bearer(),
    fields: [
      {
        name: 'api_key',
        label: 'API key',
        secret: true,
        required: true,
        hint: 'Acme → Settings → API keys. "Sending only" is enough.',
        format: { pattern: /^am_[a-z0-9]{20,}$/, says: 'begins with am_' },
      },
    ],
    check,
  }),
  config: z.strictObject({ api_base: z.url().optional().describe('A self-hosted Acme') }),
  base: 'https://api.acme.example',
  baseKey: 'api_base',
  hosts: [],
  tools: {
    send_mail: tool({
      about: 'Sends one mail to one address. Not for lists: each call is one mail.',
      effect: 'write',
      repeatable: true, // Acme carries out an Idempotency-Key once.
      scopes: ['mail.send'],
      input: z.strictObject({ to: z.email(), subject: z.string().max(200), text: z.string() }),
      output: z.object({ id: z.string() }),
      example: { to: 'ada@example.com', subject: 'Hello', text: 'Hi' },
      run: async (ctx, mail) => {
        const headers = { 'Idempotency-Key': ctx.key }
        const { body } = await rest(ctx, { method: 'POST', path: '/v1/mails', body: mail, headers, idempotent: true, vendor: 'Acme' })
        return body as { id: string } // checked against `output` before anybody sees it
      },
    }),
  },
})

async function check(ctx: ToolContext): Promise<Checked> {
  const { body } = await rest(ctx, { path: '/v1/me', vendor: 'Acme' })
  const me = z.object({ id: z.string(), email: z.string(), scopes: z.array(z.string()) }).parse(body)
  return { account: { id: me.id, label: me.email }, granted_scopes: me.scopes }
}
