/** Which table is meant: databases have one data source or several, and Notion's search shows the ids of data sources only. */
import { Fault, fail, type ToolContext, z } from '../contract.ts'
import { hasDataSources, read, send } from './call.ts'
import type { Capability } from './judge.ts'

/** `databases`: before 2025-09-03 a database was the table itself. */
export interface Table {
  kind: 'data_sources' | 'databases'
  id: string
}

const Listed = z.looseObject({ data_sources: z.array(z.looseObject({ id: z.string(), name: z.string().nullish() })) })
const DATABASE = '/databases/{database_id}'
export const DATA_SOURCE = '/data_sources/{data_source_id}'

/** The table that was meant. Where a database has several and none was named, that is said, because a guess would read or write the wrong one. */
export async function tableOf(ctx: ToolContext, given: { database_id: string; data_source_id?: string | undefined }): Promise<Table> {
  const { database_id, data_source_id } = given
  if (!hasDataSources(ctx)) {
    if (data_source_id === undefined) return { kind: 'databases', id: database_id }
    return fail('INVALID_INPUT', 'This profile names a notion_version without data sources, so "data_source_id" cannot be used.')
  }
  if (data_source_id !== undefined) return { kind: 'data_sources', id: data_source_id }
  const found = await lookUp(ctx, database_id, 'Read content')
  const [first, ...others] = found.sources
  if (first === undefined) return fail('UPSTREAM_NOT_FOUND', 'Notion shows no data source of this database to the integration.')
  if (others.length === 0) return { kind: 'data_sources', id: first.id }
  const named = found.sources.map((it) => `"${it.name}" (${it.id})`).join(', ')
  return fail('INVALID_INPUT', `This database has ${found.sources.length} data sources: ${named}.`, {
    hint: 'Give the one that is meant as data_source_id.',
    details: { data_sources: found.sources },
  })
}

export interface Looked {
  database: Record<string, unknown> | null
  sources: { id: string; name: string }[]
}

/** The data sources of a database. An id that is one of a data source itself is taken as that: search shows no other. */
export async function lookUp(ctx: ToolContext, id: string, needs: Capability): Promise<Looked> {
  try {
    const { body } = await send(ctx, { path: DATABASE, at: { database_id: id }, needs })
    const database = read(Listed, body)
    return { database, sources: database.data_sources.map((it) => ({ id: it.id, name: it.name ?? '' })) }
  } catch (missing) {
    if (!(missing instanceof Fault) || missing.code !== 'UPSTREAM_NOT_FOUND') throw missing
    const known = await send(ctx, { path: DATA_SOURCE, at: { data_source_id: id }, needs }).catch((cause: unknown) => {
      // A database is what was asked for, so its answer is the one to show.
      throw cause instanceof Fault && cause.code === 'UPSTREAM_NOT_FOUND' ? missing : cause
    })
    return { database: null, sources: [{ id: read(z.looseObject({ id: z.string() }), known.body).id, name: '' }] }
  }
}
