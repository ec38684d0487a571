import { type Tool, tool, z } from '../contract.ts'
import { read, send, taskId, userId } from './call.ts'
import { Comment, Commented } from './shapes.ts'

/** ClickUp's size of a page of comments ("Task comments pagination"). */
const COMMENTS_A_PAGE = 25

export const comments: Record<string, Tool> = {
  clickup_get_comments: tool({
    about:
      'Reads the comments of a task, newest first, 25 on a page. For older ones pass both start and start_id of next; null means there are none.',
    effect: 'read',
    repeatable: true,
    input: z
      .strictObject({
        task_id: taskId,
        start: z.int().min(0).optional().describe('Milliseconds since 1970: date of the last comment that is known'),
        start_id: z.string().regex(/^\d+$/, 'must be the id of a comment').optional().describe('Id of that comment'),
      })
      .refine((it) => (it.start === undefined) === (it.start_id === undefined), 'Give start and start_id together.'),
    output: z.object({ comments: z.array(Comment), next: z.object({ start: z.number(), start_id: z.string() }).nullable() }),
    example: { task_id: '9hx' },
    run: async (ctx, { task_id, ...query }) => {
      const { body } = await send(ctx, { path: '/task/{task_id}/comment', at: { task_id }, query })
      const found = read(z.looseObject({ comments: z.array(Comment) }), body).comments
      const last = found.length < COMMENTS_A_PAGE ? undefined : found.at(-1)
      return { comments: found, next: last === undefined ? null : { start: Number(last.date), start_id: last.id } }
    },
  }),
  clickup_create_comment: tool({
    about: 'Writes a comment under a task, as the owner of the token. To change the text of the task itself use clickup_update_task.',
    effect: 'write',
    repeatable: false,
    input: z.strictObject({
      task_id: taskId,
      comment_text: z.string().min(1),
      notify_all: z.boolean().optional().describe('Tells the owner of the token, too; false when left out'),
      assignee: userId.optional().describe('Id of the person who is to see to the comment'),
    }),
    output: Commented,
    example: { task_id: '9hx', comment_text: 'The offer is out.', notify_all: false },
    run: async (ctx, { task_id, notify_all = false, ...said }) =>
      (await send(ctx, { method: 'POST', path: '/task/{task_id}/comment', at: { task_id }, body: { ...said, notify_all } })).body as never,
  }),
}
