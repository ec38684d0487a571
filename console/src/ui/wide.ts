import { useSyncExternalStore } from 'react'

/** Where the sidebar stands beside the page. */
const wide = matchMedia('(min-width: 1024px)')
const subscribe = (changed: () => void) => {
  wide.addEventListener('change', changed)
  return () => wide.removeEventListener('change', changed)
}
/** Whether there is room for a table; otherwise its rows are cards. */
export const useWide = (): boolean => useSyncExternalStore(subscribe, () => wide.matches)
