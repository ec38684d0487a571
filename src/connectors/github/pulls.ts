import { z } from '../contract.ts'
import { direction, flag, inRepo, list, maybe, read, text, write } from './call.ts'
import { ChangedFile, Merged, Pull } from './shapes.ts'

const onePull = { ...inRepo, pull_number: z.int().min(1) }
const hello = { owner: 'octocat', repo: 'hello-world' }

export const pulls = {
  get_pull_request: read('/repos/{owner}/{repo}/pulls/{pull_number}', {
    about: 'Reads one pull request: state, branches, whether it can be merged. For an issue use get_issue.',
    input: onePull,
    output: Pull,
    example: { ...hello, pull_number: 7 },
  }),
  list_pull_requests: list('/repos/{owner}/{repo}/pulls', {
    about:
      'Lists the pull requests of one repository; open ones unless state says otherwise. To search across repositories use search_issues_pull_requests.',
    input: {
      ...inRepo,
      state: z.enum(['open', 'closed', 'all']).optional(),
      head: maybe.describe('"owner:branch" that the change comes from'),
      base: maybe.describe('Branch that the change goes into'),
      sort: z.enum(['created', 'updated', 'popularity', 'long-running']).optional(),
      direction,
    },
    item: Pull.omit({ merged: true, mergeable: true }), // only one that is read alone says these
    example: { ...hello, state: 'open' },
  }),
  list_pull_request_files: list('/repos/{owner}/{repo}/pulls/{pull_number}/files', {
    about: 'Lists the files that a pull request touches, with counts of lines and the patch of each.',
    input: onePull,
    item: ChangedFile,
    example: { ...hello, pull_number: 7 },
  }),
  create_pull_request: write('POST /repos/{owner}/{repo}/pulls', {
    about:
      'Opens a pull request from head into base. Give a title, or the number of an issue to turn into a pull request. Both branches must exist.',
    input: {
      ...inRepo,
      title: maybe,
      head: text.describe('Branch with the change; "owner:branch" from a fork'),
      head_repo: maybe,
      base: text.describe('Branch to merge into'),
      body: maybe,
      maintainer_can_modify: flag,
      draft: flag,
      issue: z.int().min(1).optional(),
    },
    output: Pull,
    example: { ...hello, title: 'Say hello', head: 'topic', base: 'main' },
  }),
  update_pull_request: write('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
    about: 'Changes title, body, state or base of a pull request. What is left out stays as it is. To merge use merge_pull_request.',
    repeatable: true,
    input: {
      ...onePull,
      title: maybe,
      body: maybe,
      state: z.enum(['open', 'closed']).optional(),
      base: maybe,
      maintainer_can_modify: flag,
    },
    output: Pull,
    example: { ...hello, pull_number: 7, title: 'Say hello, politely' },
  }),
  merge_pull_request: write('PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge', {
    about:
      'Merges a pull request. Give sha, the head that was looked at, so that nothing newer is merged unseen. Fails when it cannot be merged.',
    destroys: true,
    repeatable: true,
    input: {
      ...onePull,
      commit_title: maybe,
      commit_message: maybe,
      sha: maybe.describe('Head that must still be the newest'),
      merge_method: z.enum(['merge', 'squash', 'rebase']).optional(),
    },
    output: Merged,
    example: { ...hello, pull_number: 7, merge_method: 'squash' },
  }),
}
