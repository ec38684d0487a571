import { type ToolContext, tool, z } from '../contract.ts'
import { generate, modelName, read } from './call.ts'

/** Enough for any conversation that fits into a model, too little for a list by mistake. */
const MOST_MESSAGES = 1000
/** "Up to 4 sequences" (API reference, `stop`). */
const MOST_STOPS = 4

const Message = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: z.string().min(1),
})
const ResponseFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: z.string().regex(/^[\w-]{1,64}$/, 'has only letters, digits, "_" and "-", 64 at most'),
      description: z.string().optional(),
      schema: z.record(z.string(), z.unknown()).describe('A JSON Schema of an object'),
      strict: z.boolean().optional().describe('Keeps exactly to the schema'),
    }),
  }),
])

const Usage = z.object({ input_tokens: z.number(), output_tokens: z.number(), total_tokens: z.number() })
const Said = z.object({
  text: z.string().nullable().describe('What the model wrote; null when it refused or was filtered'),
  json: z.unknown().describe('With a JSON response_format the text as a value; null when it is no JSON, as when it was cut off'),
  refusal: z.string().nullable(),
  finish_reason: z.string().describe('stop: it was done; length: max_tokens were used up; content_filter: something was left out'),
  model: z.string(),
  usage: Usage.nullable().describe('What is paid for'),
})

/** The same in OpenAI's words. Other servers leave out what they do not know. */
const Completion = z.object({
  model: z.string().default(''),
  choices: z
    .array(
      z.object({
        finish_reason: z.string().nullish(),
        message: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }),
      }),
    )
    .min(1),
  usage: z.object({ prompt_tokens: z.number(), completion_tokens: z.number(), total_tokens: z.number() }).nullish().catch(null),
})

export const chat = {
  openai_chat: tool({
    about:
      'Has a model answer a conversation, in one piece, as text or as JSON. It changes nothing, but every call costs money by its tokens: those of all messages and those of the answer. Which models there are tells openai_list_models.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      model: modelName,
      messages: z.array(Message).min(1).max(MOST_MESSAGES).describe('In order; "system" or "developer" for instructions'),
      max_tokens: z.int().min(1).optional().describe('Most tokens of the answer, thinking included; a cap on its price'),
      temperature: z.number().min(0).max(2).optional().describe('0: always much the same; 2: wild. Models that think refuse it'),
      response_format: ResponseFormat.optional().describe('For json_object the messages must mention JSON'),
      stop: z.array(z.string().min(1)).min(1).max(MOST_STOPS).optional().describe('The answer ends before one of these'),
    }),
    output: Said,
    example: {
      model: 'gpt-4.1-mini',
      messages: [
        { role: 'system' as const, content: 'Answer in one word.' },
        { role: 'user' as const, content: 'What is the capital of France?' },
      ],
      max_tokens: 20,
    },
    run: async (ctx: ToolContext, { max_tokens, ...rest }) => {
      const limit = ctx.config.max_tokens_name === 'max_tokens' ? 'max_tokens' : 'max_completion_tokens'
      const body = { ...rest, ...(max_tokens === undefined ? {} : { [limit]: max_tokens }), stream: false }
      const answer = await generate(ctx, '/chat/completions', body)
      const it = read(Completion, answer.body, 'chat completion')
      const { message, finish_reason } = it.choices[0] as (typeof it.choices)[number]
      const text = message.content ?? null
      return {
        text,
        json: (rest.response_format?.type ?? 'text') === 'text' ? null : parsed(text),
        refusal: message.refusal ?? null,
        finish_reason: finish_reason ?? 'unknown',
        model: it.model || rest.model,
        usage: it.usage
          ? { input_tokens: it.usage.prompt_tokens, output_tokens: it.usage.completion_tokens, total_tokens: it.usage.total_tokens }
          : null,
      }
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
