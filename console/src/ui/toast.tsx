import { Toast } from '@base-ui/react/toast'
import { X } from 'lucide-react'
import type { ReactNode } from 'react'
import { t } from '../words/index.ts'
import { buttonClass } from './button.tsx'

const manager = Toast.createToastManager()
const SHOWN_MS = 5_000

/** Long enough to see what was done and to want it back. */
const UNDO_MS = 10_000

/** Of the user's own acts only. */
export function toast(title: string, description?: string): void {
  manager.add({ title, ...(description ? { description } : {}), timeout: SHOWN_MS })
}
/** Of an act that can be taken back. */
export function toastWithUndo(title: string, undo: () => void): void {
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
}

function List() {
  const { toasts } = Toast.useToastManager()
  return toasts.map((one) => (
    <Toast.Root
      key={one.id}
      toast={one}
      className="flex w-80 items-start gap-3 rounded-md border border-line bg-surface p-3 text-sm shadow-float"
    >
      <div className="min-w-0 flex-1">
        <Toast.Title className="font-medium break-words" />
        <Toast.Description className="break-words text-ink-2" />
      </div>
      {one.actionProps ? <Toast.Action className={buttonClass('plain', 'sm')} /> : null}
      <Toast.Close
        aria-label={t('action.close')}
        className="inline-flex size-6 items-center justify-center rounded text-ink-3 hover:text-ink"
      >
        <X size={14} aria-hidden />
      </Toast.Close>
    </Toast.Root>
  ))
}

export function Toasts({ children }: { children: ReactNode }) {
  return (
    <Toast.Provider toastManager={manager} limit={3}>
      {children}
      <Toast.Portal>
        <Toast.Viewport className="fixed end-4 bottom-4 z-70 flex flex-col gap-2">
          <List />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  )
}
