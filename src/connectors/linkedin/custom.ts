import { Buffer } from 'node:buffer'
import { type Tool, tool, z } from '../contract.ts'
import { send } from './call.ts'

/** Headers that carry credentials, name the host or frame the message: never the caller's to set. */
const NOT_YOURS =
  /^(authorization|cookie2?|host|connection|content-length|transfer-encoding|te|trailer|upgrade|expect|keep-alive|proxy-.*|sec-.*|forwarded|x-forwarded-.*)$/i
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/
/** Headers of an answer that say something of the result; the rest speaks of LinkedIn's own machinery. */
const SHOWN = /^(x-restli-.*|x-linkedin-id|location|etag|retry-after|content-type|x-li-(uuid|request-id))$/

/** Neither this client nor a server that decodes once more may be led above the base. */
function staysBelow(path: string): boolean {
  if (!/^\/(?!\/)[^\\#\s\u0000-\u001f]*$/.test(path)) return false
  return (path.split('?')[0] ?? '').split('/').every((part) => {
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
  linkedin_custom_api_call: tool({
    about:
      'Sends one request to the LinkedIn API that no other tool here covers, and answers {status, headers, body}. The token and the version headers are ' +
      'added by themselves. Only for people who know the endpoint: it can change and delete whatever the connected account may.',
    effect: 'destroy',
    repeatable: ({ method }) => method === 'GET',
    reads: ({ method }) => method === 'GET',
    input: z
      .strictObject({
        method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
        path: z
          .string()
          .max(4096)
          .refine(staysBelow, 'must start with one "/" and have no "..", "\\", "#" or blank')
          .describe(
            'Below https://api.linkedin.com, such as /rest/posts; lists such as ids=List(…) go here, encoded as LinkedIn wants them',
          ),
        query: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
        headers: z
          .record(
            z
              .string()
              .regex(NAME)
              .refine((name) => !NOT_YOURS.test(name), 'this header is not yours to set'),
            z.string(),
          )
          .optional()
          .describe('Authorization, Cookie, Host and Proxy-* are refused'),
        body: z.record(z.string(), z.unknown()).optional(),
      })
      .refine(({ method, body }) => body === undefined || method !== 'GET', 'GET has no body.'),
    output: z.object({
      status: z.number(),
      headers: z.record(z.string(), z.string()).describe('Names in lower case; x-restli-id is the URN of what was created'),
      body: z.unknown().describe('JSON where it is JSON, else text; other bytes as {"base64": "…"}; null when there is none'),
    }),
    example: { method: 'GET' as const, path: '/v2/userinfo' },
    run: async (ctx, { headers = {}, ...call }) => {
      const own = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
      const answer = await send(ctx, { ...call, headers: own, accept: 'any', needs: { scopes: [] } })
      const shown = [...answer.headers].filter(([name]) => SHOWN.test(name))
      const { status, body } = answer
      return {
        status,
        headers: Object.fromEntries(shown),
        body: body instanceof Uint8Array ? { base64: Buffer.from(body).toString('base64') } : body,
      }
    },
  }),
}
