import { type RestCall, tool, z } from '../contract.ts'
import { nextPageInfo, send } from './call.ts'

/** Words with slashes between them: nothing that leads out of the version's folder, to another host, or to where tokens are made. */
const PATH = /^\/?(?!oauth(?:\/|$))(?!graphql(?:\.json)?$)[a-z0-9_]+(?:\/[A-Za-z0-9_-]+)*(?:\.json)?$/

export const any = {
  shopify_admin_rest: tool({
    about:
      'Makes one call to the Admin REST API that the other tools do not have, such as GET collects.json or PUT orders/450789469.json. It can change and ' +
      'delete anything that the token may; use the named tools where there is one. GraphQL and OAuth paths are refused.',
    effect: 'destroy',
    repeatable: ({ method }) => method === 'GET',
    reads: ({ method }) => method === 'GET',
    input: z
      .strictObject({
        method: z.enum(['GET', 'POST', 'PUT', 'DELETE']),
        path: z
          .string()
          .max(500)
          .regex(PATH, 'must be a REST path below /admin/api/<version>/, such as products/1.json')
          .describe('Such as products/1.json'),
        query: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
        body: z.record(z.string(), z.unknown()).optional().describe('Wrapped in its name, such as {"order": {"id": 1, "note": "x"}}'),
      })
      .refine(({ method, body }) => body === undefined || method !== 'GET', 'GET has no body.'),
    output: z.object({
      status: z.number(),
      body: z.unknown().describe('As Shopify answers; null when it says nothing'),
      next_page_info: z.string().nullable(),
    }),
    example: { method: 'GET' as const, path: 'products/632910392.json', query: { fields: 'id,title' } },
    run: async (ctx, { method, path, query, body }) => {
      const args = { path: path.replace(/\.json$/, '') }
      const call: Pick<RestCall, 'query' | 'body'> = { ...(query && { query }), ...(body && { body }) }
      const answer = await send(ctx, { method, path: '/{+path}', args, ...call })
      return { status: answer.status, body: answer.body, next_page_info: nextPageInfo(answer.headers) }
    },
  }),
}
