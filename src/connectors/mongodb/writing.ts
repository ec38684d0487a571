/** Tools that change documents. MongoDB takes no idempotency key: only an insert that brings its own _id can be made twice without harm. */
import { tool, z } from '../contract.ts'
import { Collection, Deleted, DocumentJson, EveryDocument, Filter, limits, notEverything, topOf, Update, Updated } from './shapes.ts'

const Upsert = z.boolean().default(false).describe('Make a document of the filter and the change where none matches.')

export const writing = {
  mongodb_insert_one: tool({
    about:
      'Inserts one document and returns its _id. Give it an _id of your own where you can: then the same insert twice is a conflict ' +
      'instead of a second document. Not for changing a document that is there (mongodb_update_one).',
    effect: 'write',
    // With an _id of its own, a second try meets the first as UPSTREAM_CONFLICT.
    repeatable: ({ document_json }) => (topOf(document_json)?._id ?? undefined) !== undefined,
    scopes: ['insert'],
    input: z.strictObject({ collection: Collection, document_json: DocumentJson }),
    output: z.object({ inserted_id: z.unknown().describe('The _id, as Extended JSON.') }),
    example: { collection: 'orders', document_json: '{"_id":"order-7","status":"open","total":{"$numberDecimal":"12.50"}}' },
    run: (ctx, { collection, document_json }) => ctx.session('mongodb').insertOne(collection, document_json, limits(ctx)),
  }),

  mongodb_update_one: tool({
    about:
      'Changes the first document that matches a filter, by operators like $set and $inc. Use a filter on _id to be sure which one it is. ' +
      'With upsert, makes the document where none matches.',
    effect: 'destroy',
    repeatable: false,
    scopes: ['update'],
    input: z.strictObject({ collection: Collection, filter_json: Filter, update_json: Update, upsert: Upsert }),
    output: Updated,
    example: { collection: 'orders', filter_json: '{"_id":"order-7"}', update_json: '{"$set":{"status":"paid"}}' },
    run: (ctx, { collection, filter_json, update_json, upsert }) =>
      ctx.session('mongodb').updateOne(collection, filter_json, update_json, upsert, limits(ctx)),
  }),

  mongodb_update_many: tool({
    about:
      'Changes all documents that match a filter. It is not one transaction: stopped half-way, some are changed and some are not. Count them ' +
      'first (mongodb_count_documents); for one document use mongodb_update_one.',
    effect: 'destroy',
    repeatable: false,
    scopes: ['update'],
    input: z.strictObject({
      collection: Collection,
      filter_json: Filter,
      update_json: Update,
      upsert: Upsert,
      every_document: EveryDocument,
    }),
    output: Updated,
    example: { collection: 'orders', filter_json: '{"status":"open"}', update_json: '{"$set":{"status":"late"}}' },
    async run(ctx, { collection, filter_json, update_json, upsert, every_document }) {
      notEverything(filter_json, every_document)
      return ctx.session('mongodb').updateMany(collection, filter_json, update_json, upsert, limits(ctx))
    },
  }),

  mongodb_delete_one: tool({
    about:
      'Deletes the first document that matches a filter; it cannot be undone. Use a filter on _id to be sure which one it is. ' +
      'For all that match use mongodb_delete_many.',
    effect: 'destroy',
    repeatable: false,
    scopes: ['remove'],
    input: z.strictObject({ collection: Collection, filter_json: Filter }),
    output: Deleted,
    example: { collection: 'orders', filter_json: '{"_id":"order-7"}' },
    run: (ctx, { collection, filter_json }) => ctx.session('mongodb').deleteOne(collection, filter_json, limits(ctx)),
  }),

  mongodb_delete_many: tool({
    about:
      'Deletes all documents that match a filter; it cannot be undone. Count them first (mongodb_count_documents). An empty filter is ' +
      'refused unless every_document is true.',
    effect: 'destroy',
    repeatable: false,
    scopes: ['remove'],
    input: z.strictObject({ collection: Collection, filter_json: Filter, every_document: EveryDocument }),
    output: Deleted,
    example: { collection: 'orders', filter_json: '{"status":"cancelled"}' },
    async run(ctx, { collection, filter_json, every_document }) {
      notEverything(filter_json, every_document)
      return ctx.session('mongodb').deleteMany(collection, filter_json, limits(ctx))
    },
  }),
}
