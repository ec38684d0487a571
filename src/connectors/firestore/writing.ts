/** Tools that change documents. Each call is carried out whole or not at all. */
import { fail, tool, z } from '../contract.ts'
import { CollectionPath, DocumentPath, Fields, MOST_WRITTEN, VALUES, Written } from './shapes.ts'

export const writing = {
  firestore_add_documents: tool({
    about:
      'Adds one document, or several at once, to a collection; the ids are made up and come back in the paths. All are added or none. ' +
      'To write under an id of your own use firestore_update_document with merge.',
    effect: 'write',
    // The ids come of the call's key, so that another try finds its documents there.
    repeatable: true,
    input: z.strictObject({
      collection_path: CollectionPath,
      document: Fields.optional().describe(`Fields of the one document. ${VALUES}`),
      documents: z.array(Fields).min(1).max(MOST_WRITTEN).optional().describe('Instead of document: the fields of several.'),
    }),
    output: z.object({ documents: z.array(Written) }),
    example: {
      collection_path: 'cities',
      document: { name: 'Delft', population: 104_000, founded: { $timestamp: '1246-04-15T00:00:00Z' } },
    },
    run(ctx, { collection_path, document, documents }) {
      if ((document === undefined) === (documents === undefined)) fail('INVALID_INPUT', 'give either document or documents')
      return ctx.session('firestore').add(collection_path, documents ?? [document as Record<string, unknown>], ctx.key)
    },
  }),

  firestore_update_document: tool({
    about:
      'Changes one document. Without merge: the fields named are replaced, the rest stay, and the document must exist. ' +
      'merge true: the same, but maps are merged field by field and a missing document is made. merge false: the whole document is replaced by fields. ' +
      'It overwrites what was there.',
    effect: 'destroy',
    repeatable: true,
    input: z.strictObject({
      document_path: DocumentPath,
      fields: Fields.describe(`Names are taken as they are: a dot in one is part of it. ${VALUES}`),
      update_mask: z
        .array(z.string().min(1).max(1500))
        .min(1)
        .max(500)
        .optional()
        .describe(
          'Field paths (address.city) that are written; the rest stay, also inside of maps. One without a value in fields is removed.',
        ),
      merge: z.boolean().optional(),
    }),
    output: Written,
    example: {
      document_path: 'cities/SF',
      fields: { population: 870_000, address: { city: 'SF' } },
      update_mask: ['population', 'address.city', 'old_name'],
    },
    run(ctx, { document_path, fields, update_mask, merge }) {
      const way = merge === undefined ? 'update' : merge ? 'merge' : 'replace'
      return ctx.session('firestore').update(document_path, fields, { way, mask: update_mask })
    },
  }),

  firestore_delete_documents: tool({
    about:
      'Deletes documents by their paths, all or none. One that is not there is no mistake. Their subcollections stay: list and delete what lies below first. It cannot be undone.',
    effect: 'destroy',
    repeatable: true,
    input: z.strictObject({ document_paths: z.array(DocumentPath).min(1).max(MOST_WRITTEN) }),
    output: z.object({ deleted: z.array(z.string()) }),
    example: { document_paths: ['cities/SF'] },
    run: (ctx, { document_paths }) => ctx.session('firestore').remove(document_paths),
  }),
}
