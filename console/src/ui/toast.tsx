/** Short words at the edge, of the user's own acts only. */
import { t } from '../words/index.ts'

const SHOWN_MS = 5_000
/** Long enough to see what was done and to want it back. */
const UNDO_MS = 10_000

const first = Promise.withResolvers<void>()
/** Resolves with the first of them: until then nothing that shows them is needed. */
export const wanted = first.promise

const host = async () => {
  first.resolve()
  const it = await import('./toasts.tsx')
  await it.ready
  return it
}

export function toast(title: string, description?: string): void {
  void host().then(({ manager }) => manager.add({ title, ...(description ? { description } : {}), timeout: SHOWN_MS }))
}
/** Of an act that can be taken back. */
export function toastWithUndo(title: string, undo: () => void): void {
  void host().then(({ manager }) => {
    const id = manager.add({
      title,
      timeout: UNDO_MS,
      actionProps: {
        children: t('action.undo'),
        onClick: () => {
          undo()
          manager.close(id)
        },
      },
    })
  })
}
