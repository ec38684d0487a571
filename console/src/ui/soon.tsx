/** Parts that come after the page: what it shows first does not wait for them, and they are there before somebody can ask for them. */
import { type ComponentType, lazy, Suspense, useState } from 'react'

/** Fetched from now on. Until it is there nothing is shown in its place. */
export function soon<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let here: ComponentType<P> | undefined
  const Later = lazy(async () => ({ default: await load() }))
  load().then(
    (it) => {
      here = it
    },
    () => undefined, // asked for again where it is shown, and said there
  )
  return function Soon(props: P) {
    const [Part] = useState(() => here ?? (Later as unknown as ComponentType<P>))
    return (
      <Suspense fallback={null}>
        <Part {...props} />
      </Suspense>
    )
  }
}
