/** The parts of Notion's answers that graphs rely on. All are loose: what the integration may not read is left out, the rest passed on. */
import { z } from '../contract.ts'

const Piece = z.looseObject({ plain_text: z.string().optional() })
export const properties = z.record(z.string(), z.looseObject({ type: z.string().optional() }))
const Parent = z.looseObject({ type: z.string().optional() })

export const Page = z.looseObject({
  object: z.string(),
  id: z.string(),
  url: z.string().optional(),
  parent: Parent.optional(),
  in_trash: z.boolean().optional(),
  properties: properties.optional().describe('Values, by the name of the property'),
})
export const Found = z.looseObject({
  object: z.string().describe('page, data_source or database'),
  id: z.string(),
  url: z.string().nullish(),
  parent: Parent.optional(),
})
export const DataSource = z.looseObject({ id: z.string(), name: z.string(), properties: properties.nullable() })
export const Database = z.looseObject({
  id: z.string(),
  url: z.string().nullish(),
  data_sources: z.array(DataSource).describe('Tables of the database, each with a schema of its own'),
  properties: properties.nullable().describe('The schema, where there is only one'),
})
export const Block: z.ZodType = z.looseObject({
  id: z.string(),
  type: z.string().optional(),
  has_children: z.boolean().optional(),
  children: z
    .array(z.looseObject({ id: z.string() }))
    .optional()
    .describe('Blocks inside it, where recursive was asked for'),
})
export const Comment = z.looseObject({
  id: z.string(),
  discussion_id: z.string().optional(),
  created_time: z.string().optional(),
  rich_text: z.array(Piece).optional(),
})

/** A title as plain text: of a page it is the property whose type is title, of a data source its own field. */
export function titleOf(it: unknown): string {
  const own = z.looseObject({ title: z.array(Piece) }).safeParse(it)
  const page = z.looseObject({ properties: z.record(z.string(), z.unknown()) }).safeParse(it)
  const held = Object.values(page.data?.properties ?? {}).map((value) =>
    z.looseObject({ type: z.literal('title'), title: z.array(Piece) }).safeParse(value),
  )
  const pieces = held.find((one) => one.success)?.data?.title ?? own.data?.title ?? []
  return pieces.map((one) => one.plain_text ?? '').join('')
}
