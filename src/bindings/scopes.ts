import type { Tool } from '../connectors/contract.ts'

/** Scopes that a tool needs and the connection lacks. Unknown grants (null) are not held against it: the vendor decides. */
export function missingScopes(tool: Tool, granted: readonly string[] | null): string[] {
  return granted === null ? [] : tool.scopes.filter((scope) => !granted.includes(scope))
}
