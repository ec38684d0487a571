import { type Tool, tool, z } from '../contract.ts'
import { send } from './call.ts'

/** Neither this client nor a server that decodes once more may be led above the base. */
function staysBelow(path: string): boolean {
  if (!/^\/(?!\/)[^\\#?{}\s\u0000-\u001f]*$/.test(path)) return false
  return path.split('/').every((part) => {
    try {
      return decodeURIComponent(part)
        .split(/[/\\]/)
        .every((piece) => piece !== '.' && piece !== '..')
    } catch {
      return false
    }
  })
}

export const custom: Record<string, Tool> = {
  notion_custom_api_call: tool({
    about:
      'Sends one request to the Notion API that no other tool here covers, and answers {status, body}. Token and version are added by themselves. Only for people who know the endpoint: it can change and remove whatever was shared with the integration.',
    effect: 'destroy',
    repeatable: ({ method }) => method === 'GET',
    reads: ({ method }) => method === 'GET',
    input: z
      .strictObject({
        method: z.enum(['GET', 'POST', 'PATCH', 'DELETE']),
        path: z
          .string()
          .max(2000)
          .refine(staysBelow, 'must start with one "/" and have no "..", "\\", "?", "#" or blank')
          .describe('Below https://api.notion.com/v1, such as /users; a /v1 in front is taken off'),
        query: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
        body: z.record(z.string(), z.unknown()).optional(),
      })
      .refine(({ method, body }) => body === undefined || method !== 'GET', 'GET has no body.'),
    output: z.object({ status: z.number(), body: z.unknown().describe('JSON, or null when there is none') }),
    example: { method: 'GET' as const, path: '/users/me' },
    run: async (ctx, { path, query = {}, ...call }) => {
      const { status, body } = await send(ctx, { ...call, query, path: path.replace(/^\/v1(?=\/)/, ''), needs: null })
      return { status, body }
    },
  }),
}
