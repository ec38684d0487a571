import { useEffect, useRef } from 'react'

/** Keys of the whole page, heard before any field has them. */
export function useShortcuts(acts: { save: () => void; run: () => void; problem: (by: 1 | -1) => void }): void {
  const latest = useRef(acts)
  latest.current = acts
  useEffect(() => {
    const hear = (event: KeyboardEvent) => {
      const control = (event.ctrlKey || event.metaKey) && !event.altKey
      if (control && event.key.toLowerCase() === 's') latest.current.save()
      else if (control && event.key === 'Enter') {
        // In a dialog it sends that dialog's form.
        const form = event.target instanceof Element ? event.target.closest<HTMLFormElement>('[role="dialog"] form') : null
        if (form) form.requestSubmit()
        else latest.current.run()
      } else if (event.key === 'F8') latest.current.problem(event.shiftKey ? -1 : 1)
      else return
      event.preventDefault()
      event.stopPropagation()
    }
    addEventListener('keydown', hear, { capture: true })
    return () => removeEventListener('keydown', hear, { capture: true })
  }, [])
}
