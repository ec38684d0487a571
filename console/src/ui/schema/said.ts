/** What a schema asks and what is wrong with a value, in words. */
import { t } from '../../words/index.ts'
import type { Schema, Wrong } from './schema.ts'

export const wrongText = (wrong: Wrong | undefined): string | undefined =>
  wrong && t(`schema.${wrong.is}`, 'limit' in wrong ? { limit: wrong.limit } : {})

/** `string`, `number, 1 to 300`: what is wanted, in few words. */
export function wanted(schema: Schema, kind: string, nullable: boolean): string {
  const least = schema.minimum ?? schema.exclusiveMinimum
  const most = schema.maximum ?? schema.exclusiveMaximum
  const far = (n: number | undefined) => n === undefined || Math.abs(n) >= Number.MAX_SAFE_INTEGER
  const range = far(least)
    ? far(most)
      ? null
      : t('schema.upTo', { most: most as number })
    : far(most)
      ? t('schema.from', { least: least as number })
      : t('schema.range', { least: least as number, most: most as number })
  const of = typeof schema.type === 'string' && (kind === 'json' || kind === 'choice') ? schema.type : kind
  return [
    schema.format ?? of,
    range,
    schema.default === undefined ? null : t('schema.default', { value: JSON.stringify(schema.default) }),
    nullable ? t('schema.nullable') : null,
  ]
    .filter(Boolean)
    .join(' · ')
}
