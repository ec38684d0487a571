import { Dialog as Base } from '@base-ui/react/dialog'
import { X } from 'lucide-react'
import { type ReactNode, type RefObject, useEffect, useRef } from 'react'
import { t } from '../words/index.ts'

const BACKDROP = 'fixed inset-0 z-40 bg-[rgb(0_0_0/0.35)]'
const CLOSE = 'inline-flex size-8 shrink-0 items-center justify-center rounded-md text-ink-2 hover:bg-surface-2 hover:text-ink'

interface Props {
  open: boolean
  onClose: () => void
  title: string
  about?: ReactNode
  children: ReactNode
}

function Head({ title, about, sticky = false }: Pick<Props, 'title' | 'about'> & { sticky?: boolean }) {
  return (
    <div className="flex items-start justify-between gap-4 border-b border-line px-4 py-3">
      <div className="min-w-0">
        <Base.Title tabIndex={-1} className="text-lg font-semibold break-words outline-none">
          {title}
        </Base.Title>
        {about ? (
          <Base.Description render={<div />} className="text-sm text-ink-2">
            {about}
          </Base.Description>
        ) : null}
      </div>
      {sticky ? null : (
        <Base.Close aria-label={t('action.close')} className={CLOSE}>
          <X size={16} aria-hidden />
        </Base.Close>
      )}
    </div>
  )
}

const FIELDS = 'input:not([type=hidden]):not([tabindex="-1"]), select, textarea'
/** Where a person goes on: the first field, or the title where there is none. The button that closes is no place to begin. */
function useStart(open: boolean, step: string): { box: RefObject<HTMLDivElement | null>; start: () => HTMLElement | null } {
  const box = useRef<HTMLDivElement>(null)
  const start = () => box.current?.querySelector<HTMLElement>(FIELDS) ?? box.current?.querySelector('h2') ?? null
  const before = useRef(step)
  useEffect(() => {
    if (open && before.current !== step) start()?.focus()
    before.current = step
  })
  return { box, start }
}

/**
 * In the middle, for one thing to decide or enter. Focus goes in, stays in, and goes back to where it came from.
 * `sticky`: only its own buttons close it, for what is shown once.
 */
export function Dialog({
  open,
  onClose,
  title,
  about,
  children,
  wide = false,
  sticky = false,
}: Props & { wide?: boolean; sticky?: boolean }) {
  const { box, start } = useStart(open, title)
  return (
    <Base.Root open={open} onOpenChange={(is) => (is || sticky ? undefined : onClose())}>
      <Base.Portal>
        <Base.Backdrop className={BACKDROP} />
        <Base.Popup
          ref={box}
          initialFocus={start}
          className={`fixed top-[10vh] left-1/2 z-50 flex max-h-[80vh] w-[calc(100vw-32px)] -translate-x-1/2 flex-col rounded-[10px] border border-line bg-surface shadow-float ${wide ? 'max-w-[640px]' : 'max-w-[480px]'}`}
        >
          <Head title={title} about={about} sticky={sticky} />
          <div className="overflow-y-auto p-4">{children}</div>
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  )
}

/** At the side, for the whole of one thing. */
export function Sheet({ open, onClose, title, about, children, wide = false }: Props & { wide?: boolean }) {
  const box = useRef<HTMLDivElement>(null)
  return (
    <Base.Root open={open} onOpenChange={(is) => (is ? undefined : onClose())}>
      <Base.Portal>
        <Base.Backdrop className={BACKDROP} />
        <Base.Popup
          ref={box}
          initialFocus={() => box.current?.querySelector('h2') ?? true}
          className={`fixed inset-y-0 end-0 z-50 flex w-full flex-col border-s border-line bg-surface shadow-float ${wide ? 'max-w-[720px]' : 'max-w-[480px]'}`}
        >
          <Head title={title} about={about} />
          <div className="flex-1 overflow-y-auto p-4">{children}</div>
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  )
}
