/** Tools that read documents. */
import { tool, z } from '../contract.ts'
import { CollectionPath, Cursor, Document, DocumentPath, MOST_READ, NextCursor, VALUES } from './shapes.ts'

/** The protocol's words, and the signs that client libraries write for them. */
const OPS = {
  EQUAL: 'EQUAL',
  NOT_EQUAL: 'NOT_EQUAL',
  LESS_THAN: 'LESS_THAN',
  LESS_THAN_OR_EQUAL: 'LESS_THAN_OR_EQUAL',
  GREATER_THAN: 'GREATER_THAN',
  GREATER_THAN_OR_EQUAL: 'GREATER_THAN_OR_EQUAL',
  ARRAY_CONTAINS: 'ARRAY_CONTAINS',
  ARRAY_CONTAINS_ANY: 'ARRAY_CONTAINS_ANY',
  IN: 'IN',
  NOT_IN: 'NOT_IN',
  '==': 'EQUAL',
  '!=': 'NOT_EQUAL',
  '<': 'LESS_THAN',
  '<=': 'LESS_THAN_OR_EQUAL',
  '>': 'GREATER_THAN',
  '>=': 'GREATER_THAN_OR_EQUAL',
  'array-contains': 'ARRAY_CONTAINS',
  'array-contains-any': 'ARRAY_CONTAINS_ANY',
  in: 'IN',
  'not-in': 'NOT_IN',
} as const
const Op = z.enum(Object.keys(OPS) as [keyof typeof OPS, ...(keyof typeof OPS)[]])
const FieldPath = z
  .string()
  .min(1)
  .max(1500)
  .describe('Field path: name, address.city, or `post code` in backticks for other characters. __name__ is the id of the document.')

export const reading = {
  firestore_get_documents: tool({
    about:
      'Fetches documents by their paths, with all fields. Use it when you know the paths; to find documents use firestore_query_collection. ' +
      'Those that do not exist are named in missing; those in left_out did not fit into the answer: ask for them again.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ document_paths: z.array(DocumentPath).min(1).max(MOST_READ) }),
    output: z.object({
      documents: z.array(Document),
      missing: z.array(z.string()),
      left_out: z.array(z.string()),
      truncated: z.boolean(),
    }),
    example: { document_paths: ['cities/SF', 'cities/LA'] },
    run: (ctx, { document_paths }) => ctx.session('firestore').get(document_paths),
  }),

  firestore_query_collection: tool({
    about:
      'Finds documents of one collection by filters that must all hold, in an order, page by page. Use it to search; with paths at hand use firestore_get_documents. ' +
      'Subcollections are not searched: name each by its path. A query that needs an index which does not exist fails with the link that creates it.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      collection_path: CollectionPath,
      filters: z
        .array(z.strictObject({ field: FieldPath, op: Op, value: z.unknown().describe(VALUES) }))
        .max(100)
        .default([]),
      order_by: z
        .array(z.strictObject({ field: FieldPath, direction: z.enum(['ASCENDING', 'DESCENDING']).default('ASCENDING') }))
        .max(10)
        .default([]),
      limit: z.int().min(1).max(MOST_READ).default(50),
      start_after: z
        .array(z.unknown())
        .min(1)
        .max(10)
        .optional()
        .describe('One value for each field of order_by, from which on documents come.'),
      cursor: Cursor,
      select: z.array(FieldPath).max(100).optional().describe('Only these fields, and those that the answer is ordered by.'),
    }),
    output: z.object({
      documents: z.array(Document),
      next_cursor: NextCursor,
      truncated: z.boolean().describe('The page was cut short because of its size; next_cursor goes on from there.'),
    }),
    example: {
      collection_path: 'cities',
      filters: [{ field: 'state', op: 'EQUAL', value: 'CA' }],
      order_by: [{ field: 'population', direction: 'DESCENDING' }],
      limit: 10,
    },
    run: (ctx, { collection_path, filters, ...rest }) =>
      ctx.session('firestore').query({
        ...rest,
        collection: collection_path,
        filters: filters.map(({ field, op, value }) => ({ field, op: OPS[op], value })),
      }),
  }),

  firestore_list_collections: tool({
    about:
      'Lists the ids of the collections at the root of the database, or of those below one document. Use it to find your way; it shows no documents.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      document_path: DocumentPath.optional().describe('Left out: the collections at the root.'),
      limit: z.int().min(1).max(MOST_READ).default(100),
      cursor: Cursor,
    }),
    output: z.object({ collections: z.array(z.string()), next_cursor: NextCursor }),
    example: { limit: 20 },
    run: (ctx, { document_path, limit, cursor }) => ctx.session('firestore').collections(document_path ?? null, { limit, cursor }),
  }),
}
