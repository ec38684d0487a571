/** The parts of GitHub's answers that graphs rely on. All are loose: whatever else GitHub sends is passed on. */
import { z } from '../contract.ts'

export const User = z.looseObject({ login: z.string(), id: z.number(), html_url: z.string().optional() })
const Author = User.nullable().optional()

export const Repo = z.looseObject({
  id: z.number(),
  name: z.string(),
  full_name: z.string(),
  private: z.boolean(),
  html_url: z.string(),
  default_branch: z.string().optional(),
  description: z.string().nullable().optional(),
})

const Tip = z.looseObject({ ref: z.string(), sha: z.string() })
export const Pull = z.looseObject({
  number: z.number(),
  state: z.string(),
  title: z.string(),
  body: z.string().nullable().optional(),
  html_url: z.string(),
  user: Author,
  head: Tip,
  base: Tip,
  draft: z.boolean().optional(),
  merged: z.boolean().optional(),
  mergeable: z.boolean().nullable().optional(),
})
export const ChangedFile = z.looseObject({ filename: z.string(), status: z.string(), additions: z.number(), deletions: z.number() })
export const Merged = z.looseObject({ merged: z.boolean(), sha: z.string(), message: z.string() })

export const Issue = z.looseObject({
  number: z.number(),
  state: z.string(),
  title: z.string(),
  body: z.string().nullable().optional(),
  html_url: z.string(),
  user: Author,
})
export const Comment = z.looseObject({ id: z.number(), body: z.string().optional(), html_url: z.string(), user: Author })

export const Branch = z.looseObject({ name: z.string(), commit: z.looseObject({ sha: z.string() }), protected: z.boolean().optional() })
export const Ref = z.looseObject({ ref: z.string(), object: z.looseObject({ sha: z.string(), type: z.string() }) })
export const Tag = z.looseObject({ name: z.string(), commit: z.looseObject({ sha: z.string() }) })
export const Commit = z.looseObject({
  sha: z.string(),
  html_url: z.string(),
  commit: z.looseObject({ message: z.string() }),
  author: Author,
})
export const Compared = z.looseObject({
  status: z.string(),
  ahead_by: z.number(),
  behind_by: z.number(),
  total_commits: z.number(),
  commits: z.array(Commit),
  files: z.array(ChangedFile).optional(),
  next_page: z.number().nullable(),
})
export const FileCommit = z.looseObject({
  content: z.looseObject({ path: z.string(), sha: z.string() }).nullable(),
  commit: z.looseObject({ sha: z.string() }),
})
