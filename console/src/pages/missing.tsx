import { Link } from '@tanstack/react-router'
import { buttonClass } from '../ui/button.tsx'
import { Empty } from '../ui/region.tsx'
import { t } from '../words/index.ts'

export function Missing() {
  return (
    <main>
      <h1 className="sr-only">{t('notFound.title')}</h1>
      <Empty title={t('notFound.title')} text={t('notFound.text')}>
        <Link to="/" className={buttonClass('primary')}>
          {t('notFound.home')}
        </Link>
      </Empty>
    </main>
  )
}
