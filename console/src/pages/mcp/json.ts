/** Why a text is no JSON object, or null. */
export function jsonProblem(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text)
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? null : 'an object in braces is wanted'
  } catch (error) {
    return (error as Error).message
  }
}

/** A first guess at arguments: the required ones, each with its default, its first choice or an empty value of its type. */
export function skeletonOf(schema: Record<string, unknown>): string {
  const properties = (schema.properties ?? {}) as Record<string, { type?: unknown; default?: unknown; enum?: unknown[] }>
  const required = Array.isArray(schema.required) ? (schema.required as string[]) : []
  const empty = (type: unknown) =>
    type === 'number' || type === 'integer' ? 0 : type === 'boolean' ? false : type === 'array' ? [] : type === 'object' ? {} : ''
  const values = required.map(
    (name) => [name, properties[name]?.default ?? properties[name]?.enum?.[0] ?? empty(properties[name]?.type)] as const,
  )
  return JSON.stringify(Object.fromEntries(values), null, 2)
}
