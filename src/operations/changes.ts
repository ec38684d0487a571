import { z } from 'zod'
import type { Tx } from '../base/db.ts'
import { createHash } from 'node:crypto'
import type { ScopeName } from '../access/index.ts'
import { type Rooms, operation } from './operation.ts'

/** What can change, who may know of it, and what stands for its state. */
const TOPICS: Record<string, { scope: ScopeName; mark: (rooms: Rooms, tx: Tx) => Promise<string> }> = {
  connections: { scope: 'connection:read', mark: ({ connections }, tx) => connections.mark(tx) },
  instances: { scope: 'connection:read', mark: ({ bindings }, tx) => bindings.mark(tx) },
  workflows: { scope: 'workflow:read', mark: ({ runs }, tx) => runs.marks.workflows(tx) },
  runs: { scope: 'workflow:read', mark: ({ runs }, tx) => runs.marks.runs(tx) },
  webhooks: { scope: 'webhook:write', mark: ({ triggers }, tx) => triggers.webhooks.mark(tx) },
}
/** Enough to tell two states apart: nothing hangs on it but a look more or less. */
const DIGEST = 8
const digest = (mark: string): string => createHash('sha256').update(mark).digest('base64url').slice(0, DIGEST)

/** `runs:AbCdEfGh.workflows:…` */
const parts = (mark: string): Map<string, string> => new Map(mark.split('.').map((part) => part.split(':') as [string, string]))

export const changes = operation({
  name: 'changes.get',
  http: 'GET /v1/changes',
  about: 'Which lists of this project have changed since a mark. GET /v1/stream tells the same as events, without being asked again.',
  scope: null,
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'tells that something has changed, and not what' },
  hideFrom: { mcp: 'a model reads what it wants to know' },
  input: z.strictObject({
    mark: z.string().max(400).optional().describe('mark of the answer before; without it everything counts as changed'),
  }),
  output: z.object({
    mark: z.string(),
    changed: z.array(z.string()).describe(`of ${Object.keys(TOPICS).join(', ')}: those that the scopes allow`),
  }),
  run: async (rooms, { caller, read }, input) => {
    const topics = Object.entries(TOPICS).filter(([, topic]) => caller.scopes.includes(topic.scope))
    const found = await read((tx) => Promise.all(topics.map(async ([name, topic]) => [name, digest(await topic.mark(rooms, tx))] as const)))
    const before = parts(input.mark ?? '')
    return {
      mark: found.map((pair) => pair.join(':')).join('.'),
      changed: found.filter(([name, now]) => before.get(name) !== now).map(([name]) => name),
    }
  },
})
