/** Platform MCP: the operations as tools, for whoever holds a token. Scopes and roles are those of HTTP, because `invoke` is the same. */
import type { Tool } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { permits } from '../access/index.ts'
import { type AnyOperation, type Invoke, scopesOf } from '../operations/index.ts'
import type { Served } from './mcp.ts'

/** `connections.list` → `connections_list`: dots are not taken by every client. */
export const toolName = (op: AnyOperation): string => op.name.replaceAll('.', '_')

const INSTRUCTIONS = `This runtime keeps connections to other systems, and runs workflows that use them. No tool takes or shows a credential:
a person enters one in the browser, the command line or the API. Tools are named noun_verb. An instance's own tools are at its own endpoint, /mcp/instances/{id}.`

type Schema = Tool['inputSchema']
const schemaOf = (schema: z.ZodType): Schema => z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema

/** RFC 9110 §9.2.2: doing it twice is doing it once. What honours an Idempotency-Key over HTTP is not that by itself. */
const IDEMPOTENT = /^(GET|PUT|DELETE) /

export function toolOf(op: AnyOperation): Tool {
  const [noun = '', verb = ''] = op.name.split('.').map((word) => word.replaceAll('_', ' '))
  const output = schemaOf(op.output)
  return {
    name: toolName(op),
    title: `${noun[0]?.toUpperCase()}${noun.slice(1)}: ${verb}`,
    description: op.about,
    inputSchema: schemaOf(op.input),
    ...(output.type === 'object' ? { outputSchema: output } : {}),
    annotations: {
      readOnlyHint: op.effect === 'read',
      destructiveHint: op.effect === 'destroy',
      idempotentHint: op.effect === 'read' || IDEMPOTENT.test(op.http),
    },
  }
}

export function platformMcp(operations: readonly AnyOperation[], invoke: Invoke): Served {
  const nounOf = (op: AnyOperation) => op.name.slice(0, op.name.indexOf('.'))
  // Things that belong together stand together, in the order in which their nouns come first.
  const nouns = [...new Set(operations.map(nounOf))]
  const offered = operations.filter((op) => !op.hideFrom?.mcp).toSorted((a, b) => nouns.indexOf(nounOf(a)) - nouns.indexOf(nounOf(b)))
  const byName = new Map(offered.map((op) => [toolName(op), op]))
  const shown = new Map(offered.map((op) => [op, toolOf(op)]))
  const supported = [...new Set(offered.flatMap(scopesOf))].sort()

  return {
    route: '/mcp',
    title: 'AgentRuntime',
    scopes: supported.filter((scope) => scope.endsWith(':read')),
    supported,
    open: async (caller, _params, asked) => ({
      name: 'agentruntime',
      title: 'AgentRuntime',
      instructions: INSTRUCTIONS,
      tools: async () => offered.filter((op) => permits(caller, scopesOf(op), op.role)).map((op) => shown.get(op) as Tool),
      async admit(tool, args) {
        const op = byName.get(tool)
        // Through the operation all the same: the refusal is its own, and so is the audit entry.
        if (op && !permits(caller, scopesOf(op), caller.role))
          await invoke(op, caller, args, { ...asked, signal: new AbortController().signal })
      },
      call(tool, args, signal) {
        const op = byName.get(tool)
        return op ? invoke(op, caller, args, { ...asked, signal }) : null
      },
    }),
  }
}
