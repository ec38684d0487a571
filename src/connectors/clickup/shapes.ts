/** The parts of ClickUp's answers that graphs rely on. All are loose: whatever else ClickUp sends is passed on. */
import { z } from '../contract.ts'

const id = z.union([z.string(), z.number()]).transform(String).pipe(z.string())
const maybe = z.string().nullish()

export const Person = z.looseObject({ id: z.number(), username: maybe, email: maybe })
export const Workspace = z.looseObject({
  id,
  name: z.string(),
  members: z
    .array(z.looseObject({ user: Person }))
    .optional()
    .describe('People, whose ids assignees take'),
})
const Status = z.looseObject({ status: z.string(), type: maybe })
export const Space = z.looseObject({ id, name: z.string(), private: z.boolean().optional(), statuses: z.array(Status).optional() })
const Place = z.looseObject({ id, name: maybe })

export const List = z.looseObject({
  id,
  name: z.string(),
  statuses: z.array(Status).optional().describe('The only ones that tasks of this list can have'),
  folder: Place.nullish(),
  space: Place.nullish(),
})
export const Task = z.looseObject({
  id,
  name: z.string(),
  status: Status.nullish(),
  url: maybe,
  text_content: maybe,
  description: maybe,
  assignees: z.array(Person).optional(),
  priority: z.looseObject({ priority: maybe }).nullish().describe('null when none is set'),
  due_date: maybe.describe('Milliseconds since 1970, as text'),
  list: Place.nullish(),
})
export const Comment = z.looseObject({
  id,
  comment_text: maybe,
  user: Person.nullish(),
  date: id.describe('Milliseconds since 1970, as text'),
})
export const Commented = z.looseObject({ id, date: id.optional() })
