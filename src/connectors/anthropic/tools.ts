import { type ToolContext, tool, z } from '../contract.ts'
import { ask, generate, read } from './call.ts'

/** The vendor demands a limit; this one is that of its examples, and keeps an answer cheap that nobody thought about. */
const USUAL_TOKENS = 1024
/** "Limit of 100,000 messages in a single request" (API reference); a list by mistake is stopped long before. */
const MOST_MESSAGES = 1000
/** `limit` "ranges from 1 to 1000" (API reference, List Models). */
const MOST_ITEMS = 1000
/** "Defaults to 20" there; one page usually holds everything like this. */
const USUAL_ITEMS = 100

const Said = z.object({
  text: z.string().nullable().describe('What the model wrote; null when it wrote nothing'),
  json: z.unknown().describe('With json_schema the text as a value; null when it is no JSON, as when it was cut off or refused'),
  stop_reason: z.string().describe('end_turn: it was done; max_tokens: the limit was reached; refusal: it declined'),
  model: z.string(),
  usage: z.object({ input_tokens: z.number(), output_tokens: z.number() }).nullable().describe('What is paid for'),
})
const Message = z.object({
  model: z.string().default(''),
  content: z.array(z.looseObject({ type: z.string(), text: z.string().optional() })),
  stop_reason: z.string().nullish(),
  usage: z.object({ input_tokens: z.number(), output_tokens: z.number() }).nullish().catch(null),
})

const Model = z.object({
  id: z.string(),
  display_name: z.string().nullable(),
  created_at: z.string().nullable(),
  max_input_tokens: z.number().nullable(),
  max_tokens: z.number().nullable().describe('Most that max_tokens of anthropic_chat may be'),
})
const number = z.number().nullish().catch(null)
const TheirModels = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      display_name: z.string().nullish(),
      created_at: z.string().nullish(),
      max_input_tokens: number,
      max_tokens: number,
    }),
  ),
  has_more: z.boolean().default(false),
  last_id: z.string().nullish(),
})

/** One page of models, and the headers that say whose key it is. Asking is free. */
export async function listed(
  ctx: ToolContext,
  { limit = USUAL_ITEMS, cursor }: { limit?: number | undefined; cursor?: string | undefined },
) {
  const { body, headers } = await ask(ctx, { path: '/v1/models', query: { limit, after_id: cursor } })
  return { ...read(TheirModels, body, 'list of models'), headers }
}

export const tools = {
  anthropic_chat: tool({
    about:
      'Has a Claude model answer a conversation, in one piece, as text or as JSON. It changes nothing, but every call costs money by its tokens: those of all messages and those of the answer. Which models there are tells anthropic_list_models.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      model: z.string().trim().min(1).max(200).describe('As anthropic_list_models names it'),
      system: z.string().min(1).optional().describe('Instructions for the whole conversation'),
      messages: z
        .array(z.strictObject({ role: z.enum(['user', 'assistant']), content: z.string().min(1) }))
        .min(1)
        .max(MOST_MESSAGES)
        .describe('In order, the last one of the user'),
      max_tokens: z.int().min(1).optional().describe(`Most tokens of the answer, a cap on its price; ${USUAL_TOKENS} when left out`),
      temperature: z.number().min(0).max(1).optional().describe('0: always much the same. Newer models refuse it'),
      stop_sequences: z.array(z.string().min(1)).min(1).optional().describe('The answer ends before one of these'),
      json_schema: z
        .record(z.string(), z.unknown())
        .optional()
        .describe('The answer is JSON of this JSON Schema; its objects need "additionalProperties": false'),
    }),
    output: Said,
    example: {
      model: 'claude-haiku-4-5',
      system: 'Answer in one word.',
      messages: [{ role: 'user' as const, content: 'What is the capital of France?' }],
      max_tokens: 20,
    },
    run: async (ctx, { json_schema, max_tokens = USUAL_TOKENS, ...more }) => {
      const format = json_schema && { output_config: { format: { type: 'json_schema', schema: json_schema } } }
      const answer = await generate(ctx, '/v1/messages', { ...more, max_tokens, ...format, stream: false })
      const it = read(Message, answer.body, 'message')
      const texts = it.content.flatMap(({ type, text }) => (type === 'text' && text !== undefined ? [text] : []))
      const text = texts.length === 0 ? null : texts.join('')
      return {
        text,
        json: json_schema === undefined ? null : parsed(text),
        stop_reason: it.stop_reason ?? 'unknown',
        model: it.model || more.model,
        usage: it.usage ?? null,
      }
    },
  }),
  anthropic_list_models: tool({
    about:
      'Lists the Claude models that the key may use, the newest first. It is free. Answers one page; pass next_cursor as cursor for more, null means there are none.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      limit: z.int().min(1).max(MOST_ITEMS).optional().describe(`Items on a page; ${USUAL_ITEMS} when left out`),
      cursor: z.string().min(1).max(200).optional().describe('next_cursor of the page before'),
    }),
    output: z.object({ items: z.array(Model), next_cursor: z.string().nullable() }),
    example: { limit: 2 },
    run: async (ctx, at) => {
      const { data, has_more, last_id } = await listed(ctx, at)
      const items = data.map((it) => ({
        id: it.id,
        display_name: it.display_name ?? null,
        created_at: it.created_at ?? null,
        max_input_tokens: it.max_input_tokens ?? null,
        max_tokens: it.max_tokens ?? null,
      }))
      return { items, next_cursor: has_more ? (last_id ?? items.at(-1)?.id ?? null) : null }
    },
  }),
}

function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? 'null')
  } catch {
    return null
  }
}
