import type { ScopeNeed } from './provider.ts'

/**
 * Scopes that a tool needs and the connection lacks; of alternatives the least. Unknown grants (null) are not held against it: the
 * provider decides.
 */
export function missingScopes(tool: { readonly scopes: readonly ScopeNeed[] }, granted: readonly string[] | null): string[] {
  if (granted === null) return []
  return tool.scopes.flatMap((need) => {
    const any = [need].flat()
    return any.some((scope) => granted.includes(scope)) ? [] : [any[0] as string]
  })
}
