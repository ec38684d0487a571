import { z } from '../contract.ts'
import { direction, inRepo, list, maybe, read, text, write } from './call.ts'
import { Comment, Issue } from './shapes.ts'

const oneIssue = { ...inRepo, issue_number: z.int().min(1) }
const hello = { owner: 'octocat', repo: 'hello-world' }
const names = z.array(text).optional()
const wordOrNumber = z.union([z.string(), z.int()])
const described = {
  body: maybe,
  assignee: maybe,
  milestone: wordOrNumber.optional().describe('Number of the milestone'),
  labels: names,
  assignees: names,
  issue_field_values: z.array(z.record(z.string(), z.unknown())).optional(),
}

export const issues = {
  get_issue: read('/repos/{owner}/{repo}/issues/{issue_number}', {
    about: 'Reads one issue with its text, labels and assignees. Its comments come from list_issue_comments.',
    input: oneIssue,
    output: Issue,
    example: { ...hello, issue_number: 3 },
  }),
  list_issues: list('/repos/{owner}/{repo}/issues', {
    about:
      'Lists the issues of one repository; open ones unless state says otherwise. Pull requests, which GitHub mixes in, are left out, so a page may be short.',
    input: {
      ...inRepo,
      milestone: maybe.describe('Number, "none" or "*"'),
      state: z.enum(['open', 'closed', 'all']).optional(),
      assignee: maybe,
      type: maybe,
      creator: maybe,
      mentioned: maybe,
      issue_field_values: maybe,
      labels: maybe.describe('Names, separated by commas'),
      sort: z.enum(['created', 'updated', 'comments']).optional(),
      direction,
      since: maybe.describe('RFC 3339 time of the oldest change'),
    },
    item: Issue,
    keep: (item: { pull_request?: unknown }) => item.pull_request === undefined,
    example: { ...hello, state: 'open', labels: 'bug' },
  }),
  create_issue: write('POST /repos/{owner}/{repo}/issues', {
    about: 'Opens an issue. Not for comments on an existing one: use add_issue_comment.',
    input: { ...inRepo, title: wordOrNumber, ...described, type: maybe },
    output: Issue,
    example: { ...hello, title: 'It does not say hello', labels: ['bug'] },
  }),
  update_issue: write('PATCH /repos/{owner}/{repo}/issues/{issue_number}', {
    about: 'Changes an issue: title, text, labels, assignees, or closes and reopens it by state. What is left out stays as it is.',
    repeatable: true,
    input: {
      ...oneIssue,
      title: wordOrNumber.optional(),
      ...described,
      state: z.enum(['open', 'closed']).optional(),
      state_reason: z.enum(['completed', 'not_planned', 'duplicate', 'reopened']).optional(),
      duplicate_issue_id: z.int().optional(),
      type: wordOrNumber.optional(),
    },
    output: Issue,
    example: { ...hello, issue_number: 3, state: 'closed', state_reason: 'completed' },
  }),
  add_issue_comment: write('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
    about: 'Adds a comment to an issue, or to the conversation of a pull request (its number counts as an issue number).',
    input: { ...oneIssue, body: text },
    output: Comment,
    example: { ...hello, issue_number: 3, body: 'Seen here too.' },
  }),
  list_issue_comments: list('/repos/{owner}/{repo}/issues/{issue_number}/comments', {
    about: 'Lists the comments of an issue or of a pull request, oldest first.',
    input: { ...oneIssue, since: maybe.describe('RFC 3339 time of the oldest change') },
    item: Comment,
    example: { ...hello, issue_number: 3 },
  }),
}
