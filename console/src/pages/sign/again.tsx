import { useQueryClient } from '@tanstack/react-query'
import { type Me, setSignedOut } from '../../session.ts'
import { Dialog } from '../../ui/overlay.tsx'
import { t } from '../../words/index.ts'
import { SignInForm } from './form.tsx'

/** Over the page, whose work is kept. */
export function SignInAgain({ me }: { me: Me }) {
  const queries = useQueryClient()
  return (
    <Dialog open onClose={() => undefined} sticky title={t('again.title')} about={t('again.about')}>
      <SignInForm
        email={me.user.email}
        onDone={() => {
          setSignedOut(false)
          void queries.invalidateQueries()
        }}
      />
    </Dialog>
  )
}
