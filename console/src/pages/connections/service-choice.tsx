import type { Answer } from '../../api.ts'
import { t } from '../../words/index.ts'

type Service = NonNullable<Answer<'connections.templates'>['items'][number]['sign_in']>['services'][number]

/** What to allow, in words; the scopes are for those who want to see them. */
export function ServiceChoice(props: { services: readonly Service[]; picked: readonly string[]; onPick: (picked: string[]) => void }) {
  const { services, picked, onPick } = props
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="mb-1 text-sm font-medium">{t('connect.oauth.services')}</legend>
      {services.map((s) => (
        <label key={s.slug} className="flex items-start gap-2">
          <input
            type="checkbox"
            className="mt-0.5 size-4 accent-accent"
            checked={picked.includes(s.slug)}
            onChange={(e) => onPick(e.target.checked ? [...picked, s.slug] : picked.filter((p) => p !== s.slug))}
          />
          <span className="min-w-0">
            <span className="block font-medium">{s.title}</span>
            <span className="block text-xs text-ink-2">{s.about}</span>
          </span>
        </label>
      ))}
    </fieldset>
  )
}
