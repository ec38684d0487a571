import { Eye, Pencil, TriangleAlert } from 'lucide-react'
import { Pill } from '../../ui/pill.tsx'
import { t } from '../../words/index.ts'

const LOOKS = { read: ['plain', Eye], write: ['accent', Pencil], destroy: ['danger', TriangleAlert] } as const

/** What a call may do out there. */
export function EffectPill({ effect }: { effect: keyof typeof LOOKS }) {
  const [tone, icon] = LOOKS[effect]
  return (
    <Pill tone={tone} icon={icon}>
      {t(`mcp.effect.${effect}`)}
    </Pill>
  )
}
