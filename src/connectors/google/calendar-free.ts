export interface Span {
  start: string
  end: string
}

/** What is left of a span when the busy ones are taken out, in their own words: times are compared, never written anew. */
export function freeTimes(within: Span, busy: readonly Span[]): Span[] {
  const free: Span[] = []
  let from = within.start
  for (const it of busy.toSorted((a, b) => Date.parse(a.start) - Date.parse(b.start))) {
    if (Date.parse(it.start) >= Date.parse(within.end)) break
    if (Date.parse(it.start) > Date.parse(from)) free.push({ start: from, end: it.start })
    if (Date.parse(it.end) > Date.parse(from)) from = it.end
  }
  if (Date.parse(from) < Date.parse(within.end)) free.push({ start: from, end: within.end })
  return free
}
