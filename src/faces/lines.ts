/** A list as JSON lines (application/x-ndjson): page after page of an operation, one item a line. What goes wrong on the way cuts it short. */
export const LINES = 'application/x-ndjson'

interface Page {
  items: readonly unknown[]
  next_cursor: string | null
}

/** The first page is asked for before anything is answered, so that a refusal is one. */
export async function jsonLines(
  ask: (cursor: string | null) => Promise<unknown>,
  { written, over }: { written: (item: unknown) => string; over: () => void },
): Promise<Response> {
  let page = (await ask(null)) as Page
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          controller.enqueue(encoder.encode(page.items.map((item) => `${written(item)}\n`).join('')))
          if (page.next_cursor === null) {
            controller.close()
            over()
          } else page = (await ask(page.next_cursor)) as Page
        } catch (error) {
          over()
          controller.error(error)
        }
      },
      cancel: over,
    },
    // A page is made when somebody takes it.
    { highWaterMark: 0 },
  )
  return new Response(body, { headers: { 'content-type': LINES } })
}
