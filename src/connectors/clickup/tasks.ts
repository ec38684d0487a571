import { type Tool, tool, z } from '../contract.ts'
import { listId, read, send, taskId, userId } from './call.ts'
import { Task } from './shapes.ts'

/** ClickUp's size of a page of tasks ("Get Tasks"), which nobody can change. */
const TASKS_A_PAGE = 100
/** Of 1973 in milliseconds, and of the year 5138 in seconds: below it somebody gave seconds. */
const EARLIEST_MS = 100_000_000_000

const priority = z.int().min(1).max(4).describe('1 urgent, 2 high, 3 normal, 4 low')
const dueDate = z
  .int()
  .min(EARLIEST_MS, 'must be in milliseconds since 1970, not in seconds')
  .describe('Milliseconds since 1970 (13 digits)')
const status = z.string().min(1).describe('One of the statuses that clickup_get_list shows')
const people = z.array(userId).min(1).max(100).describe('Ids of people, from clickup_get_workspaces')
const oneTask = { task_id: taskId }

export const tasks: Record<string, Tool> = {
  clickup_get_tasks: tool({
    about:
      'Lists the tasks whose home is one list, a hundred on a page, without closed ones and subtasks. Pass next_page as page for more; null means there are none.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      list_id: listId,
      page: z.int().min(0).optional().describe('Counts from 0'),
      include_closed: z.boolean().optional(),
      statuses: z.array(z.string().min(1)).min(1).max(50).optional().describe('Names, such as "to do"'),
      assignees: z.array(z.string().regex(/^\d+$/, 'must be ids of people as text')).min(1).max(50).optional(),
      order_by: z.enum(['id', 'created', 'updated', 'due_date']).optional().describe('created when left out'),
    }),
    output: z.object({ tasks: z.array(Task), next_page: z.number().nullable() }),
    example: { list_id: '124', page: 0, statuses: ['to do'] },
    run: async (ctx, { list_id, page = 0, ...query }) => {
      const { body } = await send(ctx, { path: '/list/{list_id}/task', at: { list_id }, query: { page, ...query } })
      const answer = read(z.looseObject({ tasks: z.array(z.unknown()), last_page: z.boolean().optional() }), body)
      // Where ClickUp leaves last_page out, only a full page can have one after it.
      const last = answer.last_page ?? answer.tasks.length < TASKS_A_PAGE
      return { tasks: answer.tasks as [], next_page: last || answer.tasks.length === 0 ? null : page + 1 }
    },
  }),
  clickup_get_task: tool({
    about: 'Reads one task with its text, status, people and dates. Its comments come from clickup_get_comments.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject(oneTask),
    output: Task,
    example: { task_id: '9hx' },
    run: async (ctx, at) => (await send(ctx, { path: '/task/{task_id}', at })).body as never,
  }),
  clickup_create_task: tool({
    about:
      'Makes a task in a list. ClickUp cannot tell a repeated call from a second task: after an unclear failure look with clickup_get_tasks first.',
    effect: 'write',
    repeatable: false,
    input: z.strictObject({
      list_id: listId,
      name: z.string().min(1),
      description: z.string().optional().describe('Plain text'),
      status: status.optional(),
      priority: priority.optional(),
      assignees: people.optional(),
      due_date: dueDate.optional(),
    }),
    output: Task,
    example: { list_id: '124', name: 'Send the offer', priority: 2, assignees: [183], due_date: 1_796_000_000_000 },
    run: async (ctx, { list_id, ...body }) =>
      (await send(ctx, { method: 'POST', path: '/list/{list_id}/task', at: { list_id }, body })).body as never,
  }),
  clickup_update_task: tool({
    about: 'Changes a task: name, text, status, priority, due date, people. What is left out stays as it is. Give at least one change.',
    effect: 'write',
    repeatable: true,
    input: z
      .strictObject({
        ...oneTask,
        name: z.string().min(1).optional(),
        description: z.string().optional().describe('Plain text, replaces the old one; "" clears it'),
        status: status.optional(),
        priority: priority.optional(),
        due_date: dueDate.optional(),
        assignees_add: people.optional(),
        assignees_remove: people.optional(),
      })
      .refine((it) => Object.values(it).filter((value) => value !== undefined).length > 1, 'Give at least one field to change.'),
    output: Task,
    example: { task_id: '9hx', status: 'in progress', assignees_add: [184], assignees_remove: [183] },
    run: async (ctx, { task_id, assignees_add, assignees_remove, description, ...fields }) => {
      const moved = assignees_add !== undefined || assignees_remove !== undefined
      const body = {
        ...fields,
        // ClickUp keeps the old text on "", and clears it on a blank ("Update Task").
        ...(description === undefined ? {} : { description: description === '' ? ' ' : description }),
        ...(moved ? { assignees: { add: assignees_add ?? [], rem: assignees_remove ?? [] } } : {}),
      }
      return (await send(ctx, { method: 'PUT', path: '/task/{task_id}', at: { task_id }, body, idempotent: true })).body as never
    },
  }),
  clickup_delete_task: tool({
    about: 'Deletes a task with everything in it. Not for finishing one: for that set its status with clickup_update_task.',
    effect: 'destroy',
    repeatable: true, // A second one finds nothing and changes nothing.
    input: z.strictObject(oneTask),
    output: z.object({ deleted: z.literal(true), task_id: z.string() }),
    example: { task_id: '9hx' },
    run: async (ctx, { task_id }) => {
      await send(ctx, { method: 'DELETE', path: '/task/{task_id}', at: { task_id } })
      return { deleted: true as const, task_id }
    },
  }),
}
