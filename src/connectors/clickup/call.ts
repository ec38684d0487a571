/** ClickUp's tools as data: a path, what goes in, what comes out. */
import { type Answer, fail, fill, type RestCall, rest, type ToolContext, z } from '../contract.ts'
import { judge } from './judge.ts'

export interface Call extends Omit<RestCall, 'judge' | 'vendor' | 'query'> {
  /** Fills `{name}` in the path. */
  at?: Readonly<Record<string, string>>
  /** Several values of a name are sent as `name[]=…&name[]=…`, one value too: without the brackets it is not taken for a list. */
  query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>
}

export function send(ctx: ToolContext, { at = {}, query = {}, path, ...call }: Call): Promise<Answer> {
  const asked = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    Array.isArray(value) ? value.map((it) => [`${name}[]`, it]) : value === undefined ? [] : [[name, String(value)]],
  )
  const search = asked.length === 0 ? '' : `?${new URLSearchParams(asked)}`
  return rest(ctx, { ...call, path: fill(path, at) + search, vendor: 'ClickUp', judge })
}

/** What ClickUp answered, where the next step needs a part of it. */
export function read<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const { data, success } = schema.safeParse(body)
  return success ? data : fail('UPSTREAM_ERROR', 'ClickUp answered in a form that cannot be read.')
}

const number = (what: string) => z.string().regex(/^\d{1,20}$/, `must be a number as text, such as "901234567": ${what}`)
export const workspaceId = number('the id of a workspace').describe('From clickup_get_workspaces')
export const listId = number('the id of a list').describe('The number after /li/ in the address of the list')
export const taskId = z
  .string()
  .regex(/^[\w-]{1,64}$/, 'must be the id of a task, such as "86a1b2c3d"')
  .describe('The last part of the address of the task, without #')
/** ClickUp's ids of people are numbers in JSON, too. */
export const userId = z.int().min(1)
