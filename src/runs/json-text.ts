/** JSON that PostgreSQL's jsonb takes: it refuses U+0000 and unpaired surrogates, which upstreams do send. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value ?? null)
  if (!text.includes('\\u')) return text
  return text.replaceAll(/(?<!\\)((?:\\\\)*)\\u(0000|d[89a-f][0-9a-f]{2})/gi, '$1\\ufffd')
}
