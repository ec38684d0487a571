import { fail, nextPage, type ToolContext, z } from '../contract.ts'
import { direction, flag, inRepo, list, maybe, paged, read, send, text, write } from './call.ts'
import { Branch, Commit, Compared, Ref, Repo, Tag } from './shapes.ts'

const hello = { owner: 'octocat', repo: 'hello-world' }

export const repos = {
  get_repo: read('/repos/{owner}/{repo}', {
    about: 'Reads the facts about one repository: default branch, visibility, description, counts.',
    input: inRepo,
    output: Repo,
    example: hello,
  }),
  list_repos: list('/user/repos', {
    about: 'Lists the repositories that the token owner can reach. Being listed does not mean that the token may write there.',
    input: {
      visibility: z.enum(['all', 'public', 'private']).optional(),
      affiliation: maybe.describe('owner, collaborator, organization_member; separated by commas'),
      type: z.enum(['all', 'owner', 'public', 'private', 'member']).optional().describe('Not together with visibility or affiliation'),
      sort: z.enum(['created', 'updated', 'pushed', 'full_name']).optional(),
      direction,
      since: maybe,
      before: maybe,
    },
    item: Repo,
    example: { visibility: 'all', sort: 'updated' },
  }),
  create_fork: write('POST /repos/{owner}/{repo}/forks', {
    about:
      "Forks a repository into the token owner's account or an organization. GitHub only begins it: the fork can take minutes to fill.",
    input: { ...inRepo, organization: maybe, name: maybe, default_branch_only: flag },
    output: Repo,
    example: { ...hello, default_branch_only: true },
  }),
  list_branches: list('/repos/{owner}/{repo}/branches', {
    about: 'Lists the branches of a repository with the commit that each one stands at.',
    input: { ...inRepo, protected: flag.describe('Only protected ones, or only others') },
    item: Branch,
    example: hello,
  }),
  get_branch: read('/repos/{owner}/{repo}/branches/{branch}', {
    about: 'Reads one branch: the commit that it stands at and how it is protected.',
    input: { ...inRepo, branch: text },
    output: Branch,
    example: { ...hello, branch: 'main' },
  }),
  create_branch: {
    ...write('POST /repos/{owner}/{repo}/git/refs', {
      about: 'Creates a branch at the tip of another branch (from_branch) or at a commit (sha): give exactly one of the two.',
      input: {},
      output: Ref,
      example: { ...hello, branch: 'topic-2', from_branch: 'main' },
      run: createBranch,
    }),
    input: z
      .strictObject({ ...inRepo, branch: text.describe('Name without refs/heads/'), from_branch: text.optional(), sha: text.optional() })
      .refine((it) => (it.from_branch === undefined) !== (it.sha === undefined), 'Give exactly one of from_branch and sha.'),
  },
  list_commits: list('/repos/{owner}/{repo}/commits', {
    about: 'Lists commits of a repository, newest first, from a branch or commit (sha) on, by path, author or time.',
    input: {
      ...inRepo,
      sha: maybe.describe('Branch or commit to start from'),
      path: maybe.describe('Only commits that touch this path'),
      author: maybe,
      committer: maybe,
      since: maybe,
      until: maybe,
    },
    item: Commit,
    example: { ...hello, sha: 'main' },
  }),
  compare_commits: read('/repos/{owner}/{repo}/compare/{basehead}', {
    about:
      'Compares two branches, tags or commits: how far apart they are, the commits between them and the changed files (files on page 1 only).',
    input: { ...inRepo, basehead: text.describe('"base...head"'), ...paged },
    output: Compared,
    example: { ...hello, basehead: 'main...topic' },
    run: async (ctx, args) => {
      const { body, headers } = await send(ctx, 'GET', '/repos/{owner}/{repo}/compare/{basehead}', args)
      return { ...(body as object), next_page: nextPage(headers) }
    },
  }),
  list_tags: list('/repos/{owner}/{repo}/tags', {
    about: 'Lists the tags of a repository with the commit that each one names.',
    input: inRepo,
    item: Tag,
    example: hello,
  }),
}

interface NewBranch {
  owner: string
  repo: string
  branch: string
  from_branch?: string
  sha?: string
}

async function createBranch(ctx: ToolContext, { owner, repo, branch, from_branch, sha }: NewBranch): Promise<unknown> {
  const at = sha ?? (await tip(ctx, { owner, repo, from_branch }))
  return (await send(ctx, 'POST', '/repos/{owner}/{repo}/git/refs', { owner, repo, ref: `refs/heads/${branch}`, sha: at })).body
}

async function tip(ctx: ToolContext, from: { owner: string; repo: string; from_branch: string | undefined }): Promise<string> {
  const { body } = await send(ctx, 'GET', '/repos/{owner}/{repo}/git/ref/heads/{from_branch}', from)
  const found = Ref.safeParse(body)
  return found.success
    ? found.data.object.sha
    : fail('UPSTREAM_ERROR', 'GitHub described the branch to start from in a way that cannot be read.')
}
