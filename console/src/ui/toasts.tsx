/** What shows the toasts. It comes after the page: nobody needs one before. */
import { Toast } from '@base-ui/react/toast'
import { X } from 'lucide-react'
import { useEffect } from 'react'
import { t } from '../words/index.ts'
import { buttonClass } from './button.tsx'

export const manager = Toast.createToastManager()
const shown = Promise.withResolvers<void>()
/** From then on nothing that is added is lost. */
export const ready = shown.promise

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

export default function Toasts() {
  useEffect(() => shown.resolve(), [])
  return (
    <Toast.Provider toastManager={manager} limit={3}>
      <Toast.Portal>
        <Toast.Viewport className="fixed end-4 bottom-4 z-70 flex flex-col gap-2">
          <List />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  )
}
