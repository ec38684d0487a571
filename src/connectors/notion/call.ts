/** One call to Notion, with the version that it wants named on each. */
import { type Answer, fail, fill, type RestCall, rest, type ToolContext, z } from '../contract.ts'
import { type Capability, judgeFor } from './judge.ts'

/** The version that Notion's own client names by default; every later one is named in the profile, when somebody has tried it. */
export const VERSION = '2025-09-03'
/** From this one on a database is a shell around data sources, which have the schema and the rows ("Changes by version"). */
const DATA_SOURCES_SINCE = '2025-09-03'

export interface Call extends Omit<RestCall, 'judge' | 'vendor'> {
  /** Fills `{name}` in the path. */
  at?: Readonly<Record<string, string>>
  /** null: any integration may do this. */
  needs: Capability | null
}

export function send(ctx: ToolContext, { at = {}, needs, path, ...call }: Call): Promise<Answer> {
  const headers = { 'notion-version': versionOf(ctx) }
  return rest(ctx, { ...call, path: fill(path, at), headers, vendor: 'Notion', judge: judgeFor(needs) })
}

/** What Notion answered, where the next step needs a part of it. */
export function read<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const { data, success } = schema.safeParse(body)
  return success ? data : fail('UPSTREAM_ERROR', 'Notion answered in a form that cannot be read.')
}

const versionOf = ({ config }: Pick<ToolContext, 'config'>): string =>
  typeof config.notion_version === 'string' ? config.notion_version : VERSION
/** Dates in ISO 8601 are in order when their text is. */
export const hasDataSources = (ctx: Pick<ToolContext, 'config'>): boolean => versionOf(ctx) >= DATA_SOURCES_SINCE

/** Notion's most for `page_size` ("Pagination"); it takes as many when left out. */
const MOST_A_PAGE = 100
export const paged = {
  page_size: z.int().min(1).max(MOST_A_PAGE).optional().describe('Notion takes 100 when left out, and may send fewer'),
  start_cursor: z.string().min(1).optional().describe('next_cursor of the page before'),
}
/** A page of anything, in Notion's own words. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ results: z.array(item), next_cursor: z.string().nullable(), has_more: z.boolean() })
