/** Line and column of a mistake in the text, counted from 1, or null when it can be read. */
export function unreadable(text: string): { message: string; at: number; line: number; column: number } | null {
  try {
    JSON.parse(text)
    return null
  } catch (error) {
    const { message } = error as Error
    const told = /position (\d+)/.exec(message)?.[1]
    const at = told === undefined ? text.trimEnd().length : Number(told)
    const before = text.slice(0, at).split('\n')
    return { message, at, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
  }
}
