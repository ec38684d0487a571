/** What a person meets: questions, tokens, help, following a run, completion. */
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Cli, connection, me, openCli, run, TOKEN, URL } from '../../test/fakes/cli.ts'
import { Fault } from '../base/errors.ts'
import { operations } from '../operations/index.ts'

let cli: Cli
beforeEach(() => {
  cli = openCli()
})
afterEach(() => cli[Symbol.dispose]())

const KEY = 'ghp_"quoted"_0123456789abcdefghij'
const create = ['connections', 'create', '--display-name', 'CI', '--provider', 'github']
const templates = {
  items: [
    {
      provider: 'github',
      display_name: 'GitHub',
      about: 'Repositories.',
      auth_kind: 'api_key',
      docs: 'https://docs.github.com',
      sign_in: null,
      services: [
        {
          slug: 'api_key',
          title: 'API key',
          can_try: true,
          fields: [
            { name: 'username', label: 'User', secret: false, required: false, hint: '', format: null, format_says: null },
            { name: 'api_key', label: 'Access token', secret: true, required: true, hint: 'Settings', format: null, format_says: null },
          ],
        },
      ],
    },
  ],
}
const bodies = () => Promise.all(cli.requests.map((r) => r.text()))

describe('credentials', () => {
  beforeEach(() => {
    writeFileSync(join(cli.dir, 'key'), `${KEY}\n`)
    cli.answers['connections.create'] = connection
    cli.answers['connections.templates'] = templates
  })

  it.each([
    ['typed', () => [...create, '--credentials.api_key', KEY], {}],
    ['typed as JSON', () => [...create, '--credentials', JSON.stringify({ api_key: KEY })], {}],
    ['in a file', () => [...create, '--credentials.api_key', `@${join(cli.dir, 'key')}`], {}],
    ['piped', () => [...create, '--credentials.api_key', '@-'], { stdin: `${KEY}\n` }],
    ['asked for by its flag', () => [...create, '--credentials.api_key'], { typed: [`${KEY}\r`] }],
    ['asked for because it is missing', () => create, { typed: ['\r', `${KEY}x\x7f\r`] }],
    ['typed ahead of the questions', () => create, { typed: [`\r${KEY}\r`] }],
  ])('[cli.no-echo] one that is %s reaches the server and no output, not even when the server repeats it', async (how, argv, options) => {
    const ok = await cli.run(argv(), options)
    expect(ok.code).toBe(0)
    expect(JSON.parse((await bodies()).at(-1) ?? '')).toMatchObject({ credentials: { api_key: KEY } })
    cli.answers['connections.create'] = () => {
      throw new Fault('REFUSED', `no: ${KEY}`, { hint: encodeURIComponent(KEY), details: { list: [KEY], text: KEY } })
    }
    const refused = await cli.run(argv(), options)
    const json = await cli.run([...argv(), '--json'], options)
    expect([refused.code, json.code]).toEqual([5, 5])
    const all = [ok, refused, json].map((r) => r.out + r.err).join('')
    for (const form of [KEY, JSON.stringify(KEY).slice(1, -1), encodeURIComponent(KEY)]) expect(all).not.toContain(form)
    expect(all).toContain('«secret»')
    expect(ok.err.includes('history of your shell')).toBe(how.startsWith('typed') && !how.includes('ahead'))
  })

  it('asks as the templates say: what is no secret is shown', async () => {
    const ran = await cli.run(create, { typed: ['octo\r', `${KEY}\r`] })
    expect(ran.err).toBe('User, or nothing: octo\nAccess token (Settings): \n')
    expect(JSON.parse((await bodies()).at(-1) ?? '')).toMatchObject({ credentials: { username: 'octo', api_key: KEY } })
  })

  it('demands none on the command line where nobody can be asked', async () => {
    const ran = await cli.run(create)
    expect(ran).toMatchObject({ code: 2, err: expect.stringContaining('connections create needs --credentials') })
    expect(ran.err).toContain('--credentials.NAME @file (or @- for standard input)')
    const bare = await cli.run([...create, '--credentials.api_key'])
    expect(bare.err).toContain('hint: Give it as --credentials.api_key @file')
    expect(await cli.run(create, { typed: ['\x03'] })).toMatchObject({ code: 2, err: expect.stringContaining('error: cancelled') })
  })

  it.each([
    ['a flag that does not exist', (): string[] => [...create, `--credential.api_key=${KEY}`]],
    ['a place where nothing is expected', (): string[] => [...create, KEY]],
    ['the place of a command', (): string[] => ['connections', KEY]],
    ['the place of a file', (): string[] => [...create, '--credentials.api_key', `@${KEY}`]],
    ['broken JSON', (): string[] => [...create, '--credentials', `{"api_key": "${KEY}`]],
    ['the place of a token', (): string[] => ['me', '--token', `${KEY}\n`]],
    ['an address', (): string[] => ['me', '--url', `http://me:${KEY}@127.0.0.1`]],
  ])('[cli.no-echo] one that is put into %s is not repeated', async (_, argv) => {
    const ran = await cli.run(argv())
    expect(ran.code).toBeGreaterThan(1)
    expect(ran.err).toContain('error: ')
    expect(ran.out + ran.err).not.toContain(KEY.slice(0, 12))
    expect(cli.requests).toHaveLength(0)
  })
})

describe('login', () => {
  const none = { env: { token: null } }
  beforeEach(() => {
    cli.answers['me.get'] = me
    writeFileSync(join(cli.dir, 'pat'), `${TOKEN}\n`)
  })

  it('tries the token, keeps it for its owner alone, and forgets it again', async () => {
    expect(await cli.run(['me'], none)).toMatchObject({
      code: 3,
      err: expect.stringContaining('hint: agentruntime login --token-file FILE'),
    })
    const ran = await cli.run(['login', '--token-file', join(cli.dir, 'pat')], none)
    expect(ran.out).toContain(`logged in to ${URL} as Ada (workspace_owner; workspace default, project shop)`)
    expect(ran.out + ran.err).not.toContain(TOKEN)
    const file = join(cli.dir, 'config', 'login.json')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(join(cli.dir, 'config')).mode & 0o777).toBe(0o700)
    expect((await cli.run(['me'], none)).code).toBe(0)
    expect((await cli.run(['logout'], none)).out).toContain('is forgotten here')
    expect((await cli.run(['me'], none)).code).toBe(3)
  })

  it('keeps no token that the server refuses', async () => {
    writeFileSync(join(cli.dir, 'pat'), 'ar_pat_wrong')
    expect((await cli.run(['login', '--token-file', join(cli.dir, 'pat')], none)).code).toBe(3)
    expect((await cli.run(['me'], none)).err).toContain('there is no token')
  })

  it('asks for the token without showing it', async () => {
    const ran = await cli.run(['login'], { ...none, typed: [`${TOKEN}\r`] })
    expect(ran.code).toBe(0)
    expect(ran.out + ran.err).not.toContain(TOKEN)
    expect((await cli.run(['login', '--token-file', '-'], { ...none, stdin: `${TOKEN}\n` })).code).toBe(0)
  })

  it('[cli.token-stays] sends a saved token to the server that it was saved for and to no other', async () => {
    await cli.run(['login', '--url', 'https://agents.example.com/', '--token-file', join(cli.dir, 'pat')], none)
    cli.requests.length = 0
    expect((await cli.run(['me', '--url', 'https://agents.example.org'], none)).code).toBe(3)
    expect((await cli.run(['me', '--url', 'http://agents.example.com'], none)).code).toBe(3)
    expect(cli.requests).toHaveLength(0)
    // And the server of the login is the one that is meant from then on.
    expect((await cli.run(['me'], none)).code).toBe(0)
    expect(cli.requests[0]?.url).toBe('https://agents.example.com/v1/me')
    expect(cli.requests[0]?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`)
  })

  it('warns of a token in argv, and of one that travels unencrypted', async () => {
    expect((await cli.run(['me', '--token', TOKEN], none)).err).toContain('can be seen in the list of processes')
    expect((await cli.run(['me', '--url', 'http://agents.example.com'])).err).toBe(
      'warning: the token travels unencrypted to http://agents.example.com\n',
    )
    expect((await cli.run(['me'])).err).toBe('')
    expect((await cli.run(['me'], { env: { token: null, tokenFile: join(cli.dir, 'pat') } })).code).toBe(0)
  })
})

describe('runs follow', () => {
  const event = (seq: number, event_type: string, step_id: string | null = null) => ({
    seq,
    event_type,
    step_id,
    attempt: step_id ? 1 : null,
    at: `2026-03-01T12:00:0${seq}.000Z`,
    data: {},
  })
  /** A run whose events come two at a time. */
  const story = (end: object) => {
    const all = [event(1, 'run_started'), event(2, 'step_started', 'a'), event(3, 'step_completed', 'a'), event(4, 'state_changed')]
    let looks = 0
    cli.answers['runs.summary'] = () => {
      looks++
      if (looks === 2) throw new Fault('SHUTTING_DOWN', 'the server is going down')
      return { ...run, status: 'running', ...(looks > 3 ? end : {}), secret_in_input: [], steps: [] }
    }
    cli.answers['runs.events'] = ({ after }: { after: number }) => {
      const items = all.filter((e) => e.seq > after && e.seq <= looks + 1).slice(0, 1)
      return { items, next_cursor: items.length > 0 ? 'more' : null }
    }
  }

  it('[cli.follow] prints every event once and in order, over a restart of the server, until the run has ended', async () => {
    story({ status: 'completed' })
    const ran = await cli.run(['runs', 'follow', 'wf_1', 'run_1'])
    expect(ran.code).toBe(0)
    expect(ran.out).toBe(
      '12:00:01  run_started\n12:00:02  step_started     a\n12:00:03  step_completed   a\n12:00:04  state_changed\ncompleted\n',
    )
    expect(ran.err).toBe('the server is going down; trying again\n')
    expect(cli.waits).toHaveLength(3)
  })

  it.each([
    [
      { status: 'failed', failure: { code: 'CREDENTIAL_REJECTED', message: 'refused', step_id: 'a' } },
      6,
      'error: the run failed in step a: refused (CREDENTIAL_REJECTED)\n',
    ],
    [{ status: 'failed', failure: { code: 'LUA_FAILED', message: 'nil', step_id: null } }, 5, 'error: the run failed: nil (LUA_FAILED)\n'],
    [{ status: 'stopped' }, 5, 'error: the run was stopped\n'],
  ])('[cli.follow] %j ends with %i', async (end, code, error) => {
    story(end)
    const ran = await cli.run(['runs', 'follow', 'wf_1', 'run_1', '--json'])
    expect(ran.code).toBe(code)
    expect(ran.err).toContain(error)
    expect(
      ran.out
        .trim()
        .split('\n')
        .map((l) => (JSON.parse(l) as { seq: number }).seq),
    ).toEqual([1, 2, 3, 4])
  })

  it('does not wait for a server that was never there, nor for a run that is not', async () => {
    expect((await cli.run(['runs', 'follow', 'wf_1', 'run_1'])).code).toBe(4)
    const dead = await cli.run(['runs', 'follow', 'wf_1', 'run_1'], { fetch: () => Promise.reject(new TypeError('fetch failed')) })
    expect(dead.code).toBe(7)
    expect(cli.waits).toEqual([])
  })
})

describe('help', () => {
  it('names every noun, verb and field, in words of the operations', async () => {
    const { out, code } = await cli.run(['help'])
    expect(code).toBe(0)
    expect(out).toContain('\n  connections  templates, list, create, get, update, delete, credentials, usage, burn, try,')
    expect(out).toMatch(/\n {2}vault {8}status, rotate, rewrap\n/)
    for (const op of operations.filter((o) => !o.hideFrom?.cli)) {
      const [noun = '', verb = ''] = op.name.replaceAll('_', '-').split('.')
      const one = await cli.run([noun, verb, '--help'])
      expect(one.out).toContain(op.about)
      expect(one.out).toContain(op.http)
      expect(one.out).toContain(`the role ${op.role}`)
      for (const field of Object.keys(op.input.shape).filter((f) => !op.http.includes(`{${f}}`)))
        expect(one.out).toContain(`--${field.replaceAll('_', '-')}`)
      expect((await cli.run(['help', noun, verb])).out).toBe(one.out)
    }
    expect(cli.requests).toHaveLength(0)
  })

  it('explains a command', async () => {
    const { out } = await cli.run(['versions', 'publish', '-h'])
    expect(out).toBe(
      [
        'Publish the draft as an immutable version. Runs execute the latest one.',
        '',
        '  agentruntime versions publish <workflow> [flags]',
        '',
        '  <workflow>  id of the workflow',
        '',
        '  --changelog TEXT',
        '  --environment TEXT  production, sandbox or a name of your own; default production',
        '',
        '  --json                 print the answer as the server gave it',
        '  --idempotency-key KEY  same key and input: same answer, for 24 hours',
        '',
        'Needs the scope workflow:write and the role project_contributor. Changes something. POST /v1/workflows/{id}/versions',
        '',
        'Example',
        '  agentruntime versions publish WORKFLOW_ID',
        '',
      ].join('\n'),
    )
  })

  it('says the version, and helps with what is no operation', async () => {
    expect((await cli.run(['version'])).out).toBe('1.2.3\n')
    expect((await cli.run(['--version'])).out).toBe('1.2.3\n')
    for (const word of ['login', 'completion', 'exit-codes', 'values']) expect((await cli.run(['help', word])).code).toBe(0)
    expect((await cli.run(['runs', 'follow', '--help'])).out).toContain('agentruntime runs follow <workflow> <run>')
    expect(await cli.run(['help', 'conections'])).toMatchObject({ code: 2, err: expect.stringContaining('Did you mean connections?') })
  })
})

describe('completion', () => {
  beforeEach(() => {
    cli.answers['connections.list'] = {
      items: [
        { ...connection, id: 'conn_1', name: 'GitHub CI' },
        { ...connection, id: 'conn_2', name: '$(touch pwned)`id`\t\u001b[2J' },
      ],
      next_cursor: null,
    }
  })
  const complete = async (...words: string[]) => (await cli.run(['__complete', ...words])).out

  it('knows ids by where they stand in the route, by their beginning or that of their name', async () => {
    expect(await complete('connections', 'get', '')).toBe('conn_1\tGitHub CI (active)\nconn_2\t$(touch pwned)`id` (active)\n')
    expect(await complete('connections', 'get', 'github')).toBe('conn_1\tGitHub CI (active)\n')
    expect(await complete('instances', 'create', '--slug', 'x', '--connection-id', 'conn_1')).toBe('conn_1\tGitHub CI (active)\n')
    cli.answers['runs.list_of_workflow'] = { items: [run], next_cursor: null }
    expect(await complete('runs', 'summary', '--json', 'wf_1', '')).toBe('run_1\tDaily sales (completed)\n')
    expect(await complete('runs', 'follow', 'wf_1', '')).toBe('run_1\tDaily sales (completed)\n')
    expect(cli.calls.at(-1)).toMatchObject({ op: 'runs.list_of_workflow', raw: { id: 'wf_1' } })
    expect(await complete('runs', 'command', 'wf_1', '--command', 'st')).toBe('start\nstop\n')
  })

  it('is silent when there is nothing to say', async () => {
    const nothing = { code: 0, out: '', err: '' }
    expect(await cli.run(['__complete', 'connections', 'get', ''], { fetch: () => Promise.reject(new Error('down')) })).toEqual(nothing)
    expect(await cli.run(['__complete', 'connections', 'get', ''], { env: { token: null } })).toEqual(nothing)
    expect(await cli.run(['__complete', 'connections', 'get', 'conn_1', ''])).toEqual(nothing)
    expect(await cli.run(['__complete', 'nothing', '--url', ''])).toEqual(nothing)
  })

  it('works in bash, and runs nothing that a name says', async () => {
    writeFileSync(join(cli.dir, 'script'), (await cli.run(['completion', 'bash'])).out)
    writeFileSync(join(cli.dir, 'candidates'), await complete('connections', 'get', ''))
    const inBash = (...words: string[]) =>
      execFileSync(
        'bash',
        [
          '-c',
          `source <(cat script); agentruntime() { echo "$*" >asked; cat candidates; }
           COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _agentruntime; printf '%s\\n' "\${COMPREPLY[@]}"; ls pwned 2>/dev/null; complete -p agentruntime >&2`,
          'bash',
          ...words,
        ],
        { cwd: cli.dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
      )
    expect(inBash('agentruntime', 'conn')).toBe('connections\n')
    expect(inBash('agentruntime', 'connections', 'u')).toBe('update\nusage\nuses\n')
    expect(inBash('agentruntime', 'connections', 'create', '--d')).toBe('--display-name\n')
    expect(inBash('agentruntime', 'connections', 'get', '')).toBe('conn_1\nconn_2\n')
    expect(readFileSync(join(cli.dir, 'asked'), 'utf8')).toBe('__complete connections get \n')
  })

  it('has every command and flag in each script', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { out } = await cli.run(['completion', shell])
      for (const word of ['connections', 'set-active', 'display-name', 'idempotency-key', 'follow', 'exit-codes'].slice(
        0,
        shell === 'fish' ? 3 : 6,
      ))
        expect(out).toContain(word)
    }
    expect((await cli.run(['completion', 'tcsh'])).code).toBe(2)
  })
})

describe('long work', () => {
  it('says how much is left while it goes on', async () => {
    let left = 900
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    cli.answers['vault.status'] = () => {
      left -= 300
      if (left === 0) release()
      return { active_key: 2, to_rewrap: left, rotate_now: false, keys: [] }
    }
    cli.answers['vault.rewrap'] = async () => {
      await held
      return { done: 900, total: 900, undecryptable: 0, finished: true, retired_keys: [1] }
    }
    const ran = await cli.run(['vault', 'rewrap'])
    expect(ran.code).toBe(0)
    expect(ran.err).toContain('600 secrets still to rewrap\n300 secrets still to rewrap\n')
    expect(ran.out).toMatch(/done: +900/)
  })
})
