import { useEffect, useState } from 'react'

/**
 * The token of a link, read from the fragment, which no server log and no Referer ever holds; and taken out of the address, so that no
 * history keeps it.
 */
export function useLinkToken(): string {
  const [token] = useState(() => new URLSearchParams(location.hash.slice(1)).get('t') ?? '')
  useEffect(() => {
    if (location.hash) history.replaceState(history.state, '', location.pathname)
  }, [])
  return token
}
