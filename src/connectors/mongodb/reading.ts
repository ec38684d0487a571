/** Tools that read. */
import { tool, z } from '../contract.ts'
import { Collection, Documents, Filter, Limit, limits, OneDocument, Pipeline, Projection, Skip } from './shapes.ts'

export const reading = {
  mongodb_find: tool({
    about:
      'Finds documents of one collection by a filter, sorted and projected as you ask. Use it for rows to look at; for sums and groups ' +
      'use mongodb_aggregate, for one document mongodb_find_one, for a number of documents mongodb_count_documents.',
    effect: 'read',
    repeatable: true,
    scopes: ['find'],
    input: z.strictObject({
      collection: Collection,
      filter_json: Filter.optional(),
      projection_json: Projection,
      sort_json: z
        .string()
        .max(10_000)
        .optional()
        .describe('{"at":-1,"_id":1}: 1 ascending, -1 descending. Needed where you page with skip.'),
      limit: Limit,
      skip: Skip,
    }),
    output: Documents,
    example: { collection: 'orders', filter_json: '{"status":"open"}', sort_json: '{"_id":-1}', limit: 10 },
    async run(ctx, { collection, filter_json, projection_json, sort_json, limit, skip }) {
      const ask = { filter: filter_json, projection: projection_json, sort: sort_json, skip }
      const { documents, truncated } = await ctx.session('mongodb').find(collection, ask, limits(ctx, limit))
      return { documents, count: documents.length, truncated }
    },
  }),

  mongodb_find_one: tool({
    about:
      'Finds the first document of a collection that matches a filter, or tells that there is none. Use it where you know the _id or another unique field.',
    effect: 'read',
    repeatable: true,
    scopes: ['find'],
    input: z.strictObject({ collection: Collection, filter_json: Filter.optional(), projection_json: Projection }),
    output: OneDocument,
    example: { collection: 'orders', filter_json: '{"_id":{"$oid":"650000000000000000000001"}}' },
    run: (ctx, { collection, filter_json, projection_json }) =>
      ctx.session('mongodb').findOne(collection, { filter: filter_json, projection: projection_json }, limits(ctx)),
  }),

  mongodb_count_documents: tool({
    about:
      'Counts the documents of a collection that match a filter; all of them without one. It reads them at the server, so a filter on an index is quicker.',
    effect: 'read',
    repeatable: true,
    scopes: ['find'],
    input: z.strictObject({ collection: Collection, filter_json: Filter.optional() }),
    output: z.object({ count: z.int() }),
    example: { collection: 'orders', filter_json: '{"status":"open"}' },
    run: (ctx, { collection, filter_json }) => ctx.session('mongodb').count(collection, filter_json, limits(ctx)),
  }),

  mongodb_aggregate: tool({
    about:
      'Runs an aggregation pipeline that reads: group, sum, join with $lookup, reshape. Use it for what a filter alone cannot say; for ' +
      'plain searches use mongodb_find. It cannot write ($out and $merge are refused).',
    effect: 'read',
    repeatable: true,
    scopes: ['find'],
    input: z.strictObject({ collection: Collection, pipeline_json: Pipeline, limit: Limit }),
    output: Documents,
    example: { collection: 'orders', pipeline_json: '[{"$group":{"_id":"$status","n":{"$sum":1}}},{"$sort":{"n":-1}}]', limit: 20 },
    async run(ctx, { collection, pipeline_json, limit }) {
      const { documents, truncated } = await ctx.session('mongodb').aggregate(collection, pipeline_json, limits(ctx, limit))
      return { documents, count: documents.length, truncated }
    },
  }),
}
