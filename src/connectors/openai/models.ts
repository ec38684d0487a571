import { fail, type ToolContext, tool, z } from '../contract.ts'
import { ask, generate, modelName, read } from './call.ts'

/** Some services list hundreds of models, and answer with all of them at once. */
const USUAL_ITEMS = 100
const MOST_ITEMS = 1000
/** The vendor takes 2048, but their vectors would be more than the ten MiB that an answer may have: a hundred of the longest are seven. */
const MOST_INPUTS = 100

const Model = z.object({ id: z.string(), owned_by: z.string().nullable(), created_at: z.string().nullable() })
const TheirModels = z.object({
  data: z.array(z.object({ id: z.string(), owned_by: z.string().nullish(), created: z.number().nullish().catch(null) })),
})
const TheirEmbeddings = z.object({
  data: z.array(z.object({ index: z.number(), embedding: z.array(z.number()) })),
  model: z.string().default(''),
  usage: z.object({ total_tokens: z.number() }).nullish().catch(null),
})

/** GET /models, which every key may ask unless it was narrowed. */
export async function listed(ctx: ToolContext) {
  const { body, headers } = await ask(ctx, { path: '/models' })
  return { models: read(TheirModels, body, 'list of models').data, headers }
}

export const models = {
  openai_list_models: tool({
    about:
      'Lists the models that the key may use. It is free. Answers one page; pass next_cursor as cursor for more, null means there are none.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      contains: z.string().min(1).optional().describe('Only names with this in them'),
      limit: z.int().min(1).max(MOST_ITEMS).optional().describe(`Items on a page; ${USUAL_ITEMS} when left out`),
      cursor: z.string().min(1).optional().describe('next_cursor of the page before'),
    }),
    output: z.object({ items: z.array(Model), next_cursor: z.string().nullable() }),
    example: { contains: 'gpt', limit: 3 },
    run: async (ctx, { contains = '', limit = USUAL_ITEMS, cursor }) => {
      const { models } = await listed(ctx)
      const all = models.filter(({ id }) => id.includes(contains))
      const from = cursor === undefined ? 0 : all.findIndex(({ id }) => id === cursor) + 1
      if (cursor !== undefined && from === 0)
        fail('INVALID_INPUT', 'The model that cursor names is gone.', { hint: 'Start from the first page.' })
      const page = all.slice(from, from + limit)
      return {
        items: page.map(({ id, owned_by, created }) => ({
          id,
          owned_by: owned_by ?? null,
          created_at: created ? new Date(created * 1000).toISOString() : null,
        })),
        next_cursor: from + limit < all.length ? (page.at(-1)?.id ?? null) : null,
      }
    },
  }),
  openai_embeddings: tool({
    about:
      'Turns texts into vectors that are close when the texts mean alike, for searching and grouping. It changes nothing, but costs money by the tokens of the texts.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      model: modelName,
      input: z
        .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(MOST_INPUTS)])
        .describe(`One text, or a list of ${MOST_INPUTS} at most`),
      dimensions: z.int().min(1).optional().describe('Length of the vectors, for models that can shorten them'),
    }),
    output: z.object({
      embeddings: z.array(z.array(z.number())).describe('In the order of the input'),
      model: z.string(),
      total_tokens: z.number().nullable().describe('What is paid for'),
    }),
    example: { model: 'text-embedding-3-small', input: ['The quick brown fox', 'A fast dark fox'], dimensions: 4 },
    run: async (ctx, it) => {
      const answer = await generate(ctx, '/embeddings', { ...it, encoding_format: 'float' })
      const { data, model, usage } = read(TheirEmbeddings, answer.body, 'list of embeddings')
      const inOrder = [...data].sort((a, b) => a.index - b.index)
      return { embeddings: inOrder.map(({ embedding }) => embedding), model: model || it.model, total_tokens: usage?.total_tokens ?? null }
    },
  }),
}
