/** Which act is possible in which state of a rotation, and what comes next. */
import type { RotationState } from './rotation-rows.ts'

export type Act = 'validate' | 'test' | 'switch' | 'rollback' | 'finish'
export const MAY: Record<Act, readonly RotationState[]> = {
  validate: ['staged', 'validated'],
  test: ['staged', 'validated'],
  switch: ['staged', 'validated'],
  rollback: ['staged', 'validated', 'switched'],
  finish: ['switched'],
}
export const NEXT: Record<RotationState, string> = {
  staged: 'It is staged: validate it next.',
  validated: 'It is validated: switch to it next.',
  switched: 'It is switched: finish it, or roll back.',
  finished: 'It is finished. Stage another new credential to rotate again.',
  cancelled: 'It was cancelled. Stage the new credential again.',
  rolled_back: 'It was rolled back. Stage a new credential again.',
}

export const PAST: Record<Act, string> = {
  validate: 'validated',
  test: 'tested',
  switch: 'switched',
  rollback: 'rolled back',
  finish: 'finished',
}

/** Fault points behind the commit of an act. */
export const SETTLED = {
  switch: 'rotation.switch.after_commit',
  rollback: 'rotation.rollback.after_commit',
  finish: 'rotation.finish.after_commit',
} as const
