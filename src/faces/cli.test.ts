import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Cli, connection, NOW, openCli, URL } from '../../test/fakes/cli.ts'
import { FAULTS, Fault, type FaultCode } from '../base/errors.ts'
import { operations } from '../operations/index.ts'
import { createCommands } from './cli-commands.ts'
import { exampleOf, helpExitCodes } from './cli-help.ts'

let cli: Cli
beforeEach(() => {
  cli = openCli()
})
afterEach(() => cli[Symbol.dispose]())

const commands = createCommands(operations)
const every = commands.nouns.flatMap((noun) => commands.of(noun))
const last = () => cli.calls.at(-1)?.raw

describe('every operation is a command', () => {
  it.each(every.map((c) => [`${c.noun} ${c.verb}`, c] as const))(
    '[cli.every-operation] %s: the example of its help is a call that the server takes',
    async (_, command) => {
      writeFileSync(join(cli.dir, 'file'), '{"steps": []}')
      const words = exampleOf(command)
        .match(/"[^"]*"|\S+/g)!
        .slice(1)
      const argv = words.map((w) => (w.startsWith('@') ? `@${join(cli.dir, 'file')}` : w.replaceAll('"', '')))
      const ran = await cli.run(argv)
      // Long work is watched through a second operation; the call itself is made once.
      expect(cli.calls.filter((c) => c.op === command.op.name)).toHaveLength(1)
      if (!command.op.left) expect(cli.calls).toHaveLength(1)
      // The fake knows no such thing: so the input was taken.
      expect(ran).toMatchObject({ code: 4, out: '', err: `error: ${command.op.name} has no answer in this test\n` })
    },
  )

  it('leaves none out but those that say so', () => {
    expect(every.map((c) => c.op.name).sort()).toEqual(
      operations
        .filter((op) => !op.hideFrom?.cli)
        .map((op) => op.name)
        .sort(),
    )
  })

  it('has no two commands of one name, and no two flags of one name in a command', () => {
    expect(new Set(every.map((c) => `${c.noun} ${c.verb}`)).size).toBe(every.length)
    for (const c of every) expect(new Set(c.fields.map((f) => f.flag)).size).toBe(c.fields.length)
  })

  it('carries any id to the server as it is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((s) => !/^(-|\.\.?$)/.test(s) && s.isWellFormed()),
        async (id) => {
          cli.calls.length = 0
          await cli.run(['connections', 'get', id])
          expect(last()).toEqual({ id })
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('values', () => {
  it('takes ids by position, in order, or by flag', async () => {
    await cli.run(['runs', 'summary', 'wf_1', 'run_1'])
    expect(last()).toEqual({ id: 'wf_1', run_id: 'run_1' })
    await cli.run(['runs', 'summary', 'run_1', '--id', 'wf_1'])
    expect(last()).toEqual({ id: 'wf_1', run_id: 'run_1' })
  })

  it('reads numbers, switches, lists, null and dotted paths by the schema', async () => {
    await cli.run(['connections', 'authorize', 'acme', '--display-name=CI', '--scopes', 'mail.read', '--scopes', 'mail.send'])
    expect(last()).toEqual({ slug: 'acme', display_name: 'CI', scopes: ['mail.read', 'mail.send'] })
    await cli.run(['connections', 'authorize', 'acme', '--scopes', '["mail.read"]'])
    expect(last()).toMatchObject({ scopes: ['mail.read'] })
    await cli.run(['oauth-apps', 'put', 'acme', '--provider', 'oauth2', '--client-id', 'c', '--overlap-minutes', '30'])
    expect(last()).toMatchObject({ slug: 'acme', overlap_minutes: 30 })
    await cli.run(['connections', 'update', 'conn_1', '--disabled'])
    expect(last()).toEqual({ id: 'conn_1', disabled: true })
    await cli.run(['connections', 'update', '--no-disabled', 'conn_1'])
    expect(last()).toEqual({ id: 'conn_1', disabled: false })
    await cli.run([
      'profiles',
      'update',
      'i',
      'p',
      '--connection-id',
      'null',
      '--config.api_base',
      'https://x.test',
      '--config.limits.rows',
      '5',
    ])
    expect(last()).toEqual({ id: 'i', profile_id: 'p', connection_id: null, config: { api_base: 'https://x.test', limits: { rows: 5 } } })
    await cli.run(['profiles', 'update', 'i', 'p', '--config', '{"a":1}', '--config.b', '00123', '--config.c', '12345678901234567890'])
    expect(last()).toMatchObject({ config: { a: 1, b: '00123', c: '12345678901234567890' } })
    await cli.run([
      'runs',
      'command',
      'wf_1',
      '--command',
      'start',
      '--params.trigger_steps',
      'a',
      '--params.trigger-steps',
      'b',
      '--params.region',
      'eu',
    ])
    expect(last()).toEqual({ id: 'wf_1', command: 'start', params: { trigger_steps: ['a', 'b'], region: 'eu' } })
    await cli.run(['connections', 'list', '--q=--', '--limit', '5'])
    expect(last()).toEqual({ q: '--', limit: '5' })
  })

  it('reads files and standard input, and @@ is a text', async () => {
    writeFileSync(join(cli.dir, 'graph.json'), '{"steps":[{"id":"a"}]}\n')
    await cli.run(['workflows', 'create', '--name', '@@home', '--graph', `@${join(cli.dir, 'graph.json')}`, '--description', '@-'], {
      stdin: 'two\nlines\n',
    })
    expect(last()).toEqual({ name: '@home', graph: { steps: [{ id: 'a' }] }, description: 'two\nlines' })
    const twice = await cli.run(['workflows', 'create', '--name', '@-', '--graph', '@-'], { stdin: 'x' })
    expect(twice).toMatchObject({ code: 2, err: 'error: --graph: @- can be used only once, standard input is already read\n' })
    expect(await cli.run(['workflows', 'create', '--name', '@/nowhere/at/all'])).toMatchObject({
      code: 2,
      err: 'error: --name: the file does not exist\nhint: A text that begins with @ is written with @@.\n',
    })
  })

  it.each([
    [['connections', 'list', '--limt', '5'], 'connections list has no flag --limt', 'Did you mean --limit?'],
    [['connections', 'create', '--name', 'x'], 'connections create has no flag --name', 'Did you mean --display-name?'],
    [['connection', 'list'], 'there is no command "connection"', 'Did you mean connections?'],
    [['connections', 'gte', 'conn_1'], 'connections has no command "gte"', 'Did you mean get?'],
    [['connections', 'get'], 'connections get needs <connection>', 'agentruntime connections list shows them.'],
    [['connections', 'get', 'a', 'b'], 'connections get takes only <connection> without a flag', ''],
    [['connections', 'get', '..'], '<connection> must be an id', ''],
    [['connections', 'get', 'a', '--all'], 'connections get has no flag --all', ''],
    [['connections', 'list', '--limit', 'many'], '--limit must be a number', ''],
    [['connections', 'list', '--limit', '5', '--limit', '6'], '--limit is given twice', ''],
    [['connections', 'list', '--q', '--limit', '6'], '--q needs a value', 'is written --q=--x'],
    [['connections', 'update', 'a', '--disabled=maybe'], '--disabled must be true or false', ''],
    [['profiles', 'create', 'i', '--config', '{"a":'], '--config is not valid JSON', ''],
    [['profiles', 'create', 'i', '--config.__proto__.x', '1'], '--config.__proto__.x is not a path that can be set', ''],
    [['profiles', 'create', 'i', '--name.first', 'x'], '--name.first has nothing below it to set', ''],
    [['runs', 'command', 'wf_1'], 'runs command needs --command', 'start, execute, pause, resume, stop'],
  ])('refuses %j before anything is sent', async (argv, error, hint) => {
    const ran = await cli.run(argv)
    expect(ran.code).toBe(2)
    expect(ran.err).toContain(`error: ${error}\n`)
    expect(ran.err).toContain(hint)
    expect(cli.requests).toHaveLength(0)
  })

  it('honours an idempotency key where the operation does', async () => {
    await cli.run(['workflows', 'create', '--name', 'x', '--graph', '{}', '--idempotency-key', 'k1'])
    expect(cli.calls.at(-1)?.idempotencyKey).toBe('k1')
    expect((await cli.run(['workflows', 'get', 'x', '--idempotency-key', 'k1'])).code).toBe(2)
  })
})

describe('answers', () => {
  it('shows a list as a table', async () => {
    cli.answers['connections.list'] = {
      items: [connection, { ...connection, id: 'conn_22', name: 'Zoë 東京', status: 'reconnect', account: null }],
      next_cursor: 'abc',
    }
    const ran = await cli.run(['connections', 'list'], { typed: [], columns: 80 })
    expect(ran.out).toBe(
      [
        'ID       NAME       STATUS     PROVIDER  SERVICE  ENVIRONMENT  CREATED_AT',
        'conn_1   GitHub CI  active     github    api_key  production   3m ago',
        'conn_22  Zoë 東京   reconnect  github    api_key  production   3m ago',
        '',
      ].join('\n'),
    )
    expect(ran.err).toBe('there are more: --all, or --cursor abc\n')
    cli.answers['connections.list'] = { items: [], next_cursor: null }
    expect((await cli.run(['connections', 'list'])).out).toBe('no connections\n')
  })

  it('shows one thing as key and value, lists of like things as tables', async () => {
    cli.answers['instances.validate'] = {
      ok: true,
      environment: 'production',
      checks: [
        { check: 'profile_active', ok: true, skipped: false, message: 'a profile is active', ms: 1 },
        { check: 'scopes', ok: true, skipped: true, message: 'the provider does not tell', ms: 0 },
      ],
    }
    expect((await cli.run(['instances', 'validate', 'inst_1'])).out).toBe(
      [
        'ok:          true',
        'environment: production',
        'checks:',
        '  CHECK           OK    SKIPPED  MS  MESSAGE',
        '  profile_active  true  false    1   a profile is active',
        '  scopes          true  true     0   the provider does not tell',
        '',
      ].join('\n'),
    )
    cli.answers['connections.get'] = connection
    const { out } = await cli.run(['connections', 'get', 'conn_1'])
    expect(out).toContain('account:\n  id:    7\n  label: octo-bot\n')
    expect(out).toContain('created_at:         2026-03-01 11:57:00 UTC (3m ago)\n')
  })

  it('prints the answer as it came with --json, and all pages as one with --all', async () => {
    cli.answers['connections.list'] = (input: { cursor?: string }) => ({
      items: [{ ...connection, id: input.cursor ? 'conn_2' : 'conn_1' }],
      next_cursor: input.cursor ? null : 'c1',
    })
    const one = await cli.run(['--json', 'connections', 'list'])
    expect(JSON.parse(one.out)).toMatchObject({ items: [{ id: 'conn_1' }], next_cursor: 'c1' })
    const all = await cli.run(['connections', 'list', '--all', '--json'])
    expect(JSON.parse(all.out)).toMatchObject({ items: [{ id: 'conn_1' }, { id: 'conn_2' }], next_cursor: null })
    expect(cli.calls.slice(1).map((c) => c.raw)).toEqual([{ limit: '200' }, { limit: '200', cursor: 'c1' }])
  })

  it('[cli.plain-output] text of others cannot steer the terminal', async () => {
    const nasty = 'evil\u001b[2J\u001b]0;title\u0007\u009b31m\u202egnp\r'
    cli.answers['connections.list'] = { items: [{ ...connection, name: nasty }], next_cursor: null }
    cli.answers['connections.get'] = { ...connection, name: nasty, settings: { [nasty]: nasty } }
    cli.answers['connections.usage'] = () => {
      throw new Fault('REFUSED', nasty, { hint: nasty, details: { list: [nasty] } })
    }
    for (const argv of [
      ['connections', 'list'],
      ['connections', 'get', 'c'],
      ['connections', 'get', 'c', '--json'],
      ['connections', 'usage', 'c'],
    ]) {
      const ran = await cli.run(argv, { typed: [] })
      expect(ran.out + ran.err).toContain('evil')
      expect(ran.out + ran.err).not.toMatch(/[\0-\x08\x0b-\x1f\x7f-\x9f\u202e]/)
    }
  })
})

describe('failures', () => {
  it.each(Object.keys(FAULTS) as FaultCode[])('[cli.exit-codes] %s ends with the exit code of the table', async (code) => {
    cli.answers['connections.get'] = () => {
      throw new Fault(code, 'so it is', { hint: 'do something' })
    }
    const ran = await cli.run(['connections', 'get', 'conn_1'])
    expect(ran).toMatchObject({ code: FAULTS[code].exit, out: '' })
    expect(ran.err).toMatch(/^error: so it is\nhint: do something\n/)
    expect(helpExitCodes()).toContain(code)
    const json = await cli.run(['connections', 'get', 'conn_1', '--json'])
    expect(JSON.parse(json.err)).toMatchObject({
      error: 'so it is',
      code,
      hint: 'do something',
      request_id: expect.stringMatching(/^req_/),
    })
  })

  it('shows what a refusal lists', async () => {
    cli.answers['connections.delete'] = () => {
      throw new Fault('CONNECTION_IN_USE', 'wired to a profile', {
        details: { profiles: [{ instance_id: 'inst_1', profile_name: 'default' }] },
      })
    }
    expect((await cli.run(['connections', 'delete', 'conn_1'])).err).toBe(
      'error: wired to a profile\n  profiles:\n    - instance_id:  inst_1\n      profile_name: default\n',
    )
  })

  it('[cli.exit-codes] a check that says no is a failure', async () => {
    cli.answers['audit.verify'] = {
      workspace: 'ws_1',
      entries: 3,
      ok: false,
      problems: [{ workspace: 'ws_1', seq: 2, problem: 'the hash does not fit' }],
    }
    const broken = await cli.run(['audit', 'verify'])
    expect(broken.code).toBe(5)
    expect(broken.out).toContain('the hash does not fit')
    cli.answers['audit.verify'] = { workspace: 'ws_1', entries: 3, ok: true, problems: [] }
    expect((await cli.run(['audit', 'verify'])).code).toBe(0)
    cli.answers['workflows.validate'] = { valid: false, checks_performed: [], issues: [] }
    expect((await cli.run(['workflows', 'validate', 'wf_1'])).code).toBe(5)
    const problem = { code: 'CREDENTIAL_REJECTED', message: 'refused', hint: null }
    cli.answers['connections.validate'] = {
      ok: false,
      checked_at: new Date(NOW).toISOString(),
      latency_ms: 1,
      account: null,
      granted_scopes: null,
      warnings: [],
      problem,
    }
    expect((await cli.run(['connections', 'validate', 'c'])).code).toBe(6)
  })

  it('says where nobody answers, and follows no redirect', async () => {
    const refused = Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNREFUSED' } })
    const dead = await cli.run(['me'], { fetch: () => Promise.reject(refused) })
    expect(dead).toMatchObject({
      code: 7,
      err: `error: no server answers at ${URL} (nobody listens there)\nhint: agentruntime start starts one; --url says where it is.\n`,
    })
    const seen: RequestInit[] = []
    const moved = await cli.run(['me'], {
      fetch: async (_, init) => {
        seen.push(init ?? {})
        return new Response(null, { status: 307, headers: { location: 'https://elsewhere.test/' } })
      },
    })
    expect(moved.code).toBe(6)
    expect(seen.map((i) => i.redirect)).toEqual(['manual'])
    const page = await cli.run(['me'], { fetch: async () => new Response('<html>', { status: 502 }) })
    expect(page).toMatchObject({ code: 6, err: expect.stringContaining('answered 502 with something that is not JSON') })
  })

  it('asks before it destroys, where somebody can be asked', async () => {
    cli.answers['pats.revoke'] = { ok: true }
    expect((await cli.run(['pats', 'revoke', 'p'], { typed: ['n\r'] })).err).toContain('error: nothing was done')
    expect(cli.calls).toHaveLength(0)
    expect((await cli.run(['pats', 'revoke', 'p'], { typed: ['y\r'] })).code).toBe(0)
    expect((await cli.run(['pats', 'revoke', 'p', '--yes'], { typed: [] })).code).toBe(0)
    expect((await cli.run(['pats', 'revoke', 'p'])).code).toBe(0)
    expect(cli.calls).toHaveLength(3)
  })
})
