/** What the command line does for signing in: the link, the wait for what becomes of it, and the doctor. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Cli, openCli, URL } from '../../test/fakes/cli.ts'
import { Fault } from '../base/errors.ts'
import { operations } from '../operations/index.ts'

let cli: Cli
beforeEach(() => {
  cli = openCli()
})
afterEach(() => cli[Symbol.dispose]())

const last = () => cli.calls.at(-1)?.raw
const LINK = `${URL}/v1/oauth/start?ticket=${'eyJpZCI6Im9hdHRfMSJ9'.repeat(12)}.c2lnbmVk`
const offered = {
  authorization_url: LINK,
  attempt_id: 'oatt_1',
  expires_at: '2026-03-01T12:10:00.000Z',
  scopes: ['openid', 'https://www.googleapis.com/auth/gmail.send'],
}
const pending = { status: 'pending', kind: null, connection_id: null, text: null, notes: [] as string[] }
const connected = { ...pending, status: 'done', kind: 'connected', connection_id: 'conn_1' }
const FACTS = [
  'attempt_id: oatt_1',
  'expires_at: 2026-03-01 12:10:00 UTC (in 10m)',
  'scopes:     openid, https://www.googleapis.com/auth/gmail.send',
]
/** Answers one after the other, and the last one from then on. A Fault is thrown. */
const inTurn = (...all: (object | Fault)[]) => {
  let asked = 0
  cli.answers['oauth.attempt'] = () => {
    const it = all[Math.min(asked++, all.length - 1)]
    if (it instanceof Fault) throw it
    return it
  }
}

describe('a link', () => {
  it('stands alone on the first line, whole, on the narrowest terminal and in a pipe', async () => {
    cli.answers['connections.authorize'] = offered
    const authorize = ['connections', 'authorize', 'google', '--services', 'gmail', '--services', 'google-drive']
    for (const options of [{}, { typed: [], columns: 40 }]) {
      const ran = await cli.run(authorize, options)
      expect(ran).toEqual({ code: 0, out: [LINK, '', ...FACTS, ''].join('\n'), err: '' })
      expect(last()).toEqual({ slug: 'google', services: ['gmail', 'google-drive'] })
    }
    expect(cli.calls.map((c) => c.op)).toEqual(['connections.authorize', 'connections.authorize'])
    cli.answers['connections.reconnect'] = offered
    expect((await cli.run(['connections', 'reconnect', 'conn_1'])).out.split('\n')[0]).toBe(LINK)
  })

  it('is shown wherever an answer has one, and nothing is made of one that is not there', async () => {
    cli.answers['google.services'] = { services: ['gmail'], authorization_url: LINK }
    const services = ['google', 'services', 'conn_1', '--services', 'google-drive']
    expect((await cli.run(services)).out).toBe(`${LINK}\n\nservices: gmail\n`)
    cli.answers['google.services'] = { services: ['gmail', 'google-drive'], authorization_url: null }
    expect((await cli.run(services)).out).toBe('services:          gmail, google-drive\nauthorization_url: –\n')
  })
})

describe('--wait', () => {
  const wait = ['connections', 'authorize', 'google', '--wait']
  beforeEach(() => {
    cli.answers['connections.authorize'] = offered
  })

  it('asks every second until somebody has signed in, and says what came of it', async () => {
    inTurn(pending, pending, { ...connected, notes: ['Not granted: gmail.send'] })
    const ran = await cli.run(wait)
    expect(ran.code).toBe(0)
    expect(ran.out).toBe([LINK, '', ...FACTS, 'connected conn_1', '  Not granted: gmail.send', ''].join('\n'))
    expect(ran.err).toMatch(/^waiting until somebody has signed in[^\n]*\n$/)
    expect(cli.waits).toEqual([1000, 1000, 1000])
    expect(cli.calls.map((c) => [c.op, c.raw.id])).toEqual([
      ['connections.authorize', undefined],
      ['oauth.attempt', 'oatt_1'],
      ['oauth.attempt', 'oatt_1'],
      ['oauth.attempt', 'oatt_1'],
    ])
    expect(cli.calls[0]?.raw).toEqual({ slug: 'google' })
  })

  it.each([
    ['declined', 'Ask for a new link.'],
    ['other_account', 'Ask for a new link.'],
    ['app_refused', 'agentruntime doctor oauth says what to mend.'],
  ])('[cli.exit-codes] ends with 6 when it failed: %s', async (kind, hint) => {
    inTurn(pending, { ...pending, status: 'failed', kind, notes: ['so it is'] })
    const ran = await cli.run(wait)
    expect(ran.code).toBe(6)
    expect(ran.err).toContain(`\nerror: nothing was connected (${kind.replace('_', ' ')})\n  so it is\nhint: ${hint}\n`)
    expect(ran.out.split('\n')[0]).toBe(LINK)
  })

  it('gives up after 10 minutes', async () => {
    inTurn(pending)
    const ran = await cli.run(wait)
    expect(ran.code).toBe(6)
    expect(ran.err).toContain('error: nobody has signed in within 10 minutes\n')
    expect(cli.waits.reduce((sum, ms) => sum + ms, 0)).toBe(600_000)
  })

  it('goes on over a restart of the server, and not over an id that is not known', async () => {
    inTurn(new Fault('SHUTTING_DOWN', 'the server is going down'), new Fault('DEPENDENCY_UNAVAILABLE', 'not yet'), connected)
    const ran = await cli.run(wait)
    expect(ran.code).toBe(0)
    expect(ran.err).toMatch(/\nthe server is going down; trying again\n$/)
    inTurn(pending, new Fault('NOT_FOUND', 'there is no sign-in oatt_1'))
    expect(await cli.run(wait)).toMatchObject({ code: 4, err: expect.stringContaining('error: there is no sign-in oatt_1') })
  })

  it('prints two answers with --json, and nothing else', async () => {
    inTurn(pending, connected)
    const ran = await cli.run([...wait, '--json'])
    expect(ran).toMatchObject({ code: 0, err: '' })
    expect(
      ran.out
        .trim()
        .split('\n')
        .map((it) => JSON.parse(it)),
    ).toEqual([offered, connected])
  })

  it('is for sign-ins alone', async () => {
    for (const argv of [
      ['connections', 'list', '--wait'],
      ['google', 'services', 'conn_1', '--services', 'gmail', '--wait'],
    ])
      expect(await cli.run(argv)).toMatchObject({ code: 2, err: expect.stringMatching(/has no flag --wait\nhint: Only sign-ins/) })
    expect(cli.requests).toHaveLength(0)
    expect((await cli.run(['connections', 'reconnect', '--help'])).out).toContain('--wait')
    expect((await cli.run(['connections', 'get', '--help'])).out).not.toContain('--wait')
    const { out } = await cli.run(['completion', 'bash'])
    const flags = (command: string) => new RegExp(`'${command}'\\) found='([^']*)'`).exec(out)?.[1]?.split(' ')
    expect(flags('connections authorize')).toContain('--wait')
    expect(flags('connections get')).not.toContain('--wait')
  })
})

describe('doctor oauth', () => {
  const fine = { check: 'scheme', level: 'ok', message: 'https://agents.example.com is reached over TLS', fix: null }
  const warned = { check: 'proxy', level: 'warning', message: 'you reached this server as b.example.com', fix: 'Set --public-url.' }
  const wrong = { check: 'client', level: 'problem', message: 'Google refuses this app', fix: 'Compare client_id and\nclient_secret.' }
  const diagnosis = (...apps: object[]) => ({
    ok: !JSON.stringify(apps).includes('"problem"'),
    public_url: 'https://agents.example.com',
    redirect_uri: 'https://agents.example.com/v1/oauth/callback',
    findings: [fine, warned],
    apps,
  })
  const app = (slug: string, provider: string, ...findings: object[]) => ({ slug, provider, ok: !findings.includes(wrong), findings })

  it('[cli.exit-codes] has a line for each finding, what to do below it, and ends with 6 when there is a problem', async () => {
    cli.answers['doctor.oauth'] = diagnosis(app('google', 'google', wrong), app('acme', 'oauth2', fine))
    const ran = await cli.run(['doctor', 'oauth'])
    expect(ran).toEqual({
      code: 6,
      err: '',
      out: [
        'public_url:   https://agents.example.com',
        'redirect_uri: https://agents.example.com/v1/oauth/callback',
        'ok       https://agents.example.com is reached over TLS',
        'warning  you reached this server as b.example.com',
        '         Set --public-url.',
        '',
        'google',
        'problem  Google refuses this app',
        '         Compare client_id and client_secret.',
        '',
        'acme, oauth2',
        'ok       https://agents.example.com is reached over TLS',
        '',
      ].join('\n'),
    })
    expect(last()).toEqual({})
    const json = await cli.run(['doctor', 'oauth', '--json'])
    expect(json.code).toBe(6)
    expect(JSON.parse(json.out)).toEqual(cli.answers['doctor.oauth'])
  })

  it('ends with 0 where there are only warnings', async () => {
    cli.answers['doctor.oauth'] = diagnosis(app('acme', 'oauth2', warned))
    expect((await cli.run(['doctor', 'oauth'])).code).toBe(0)
  })

  it('takes the provider as a word or by its flag, and no second one', async () => {
    cli.answers['doctor.oauth'] = diagnosis()
    for (const argv of [['google'], ['--provider', 'google'], ['--provider=google']]) {
      expect((await cli.run(['doctor', 'oauth', ...argv])).code).toBe(0)
      expect(last()).toEqual({ provider: 'google' })
    }
    for (const argv of [
      ['google', 'linkedin'],
      ['google', '--provider', 'linkedin'],
    ])
      expect(await cli.run(['doctor', 'oauth', ...argv])).toMatchObject({
        code: 2,
        err: expect.stringContaining('doctor oauth takes only [provider] without a flag'),
      })
    expect(cli.requests).toHaveLength(3)
    const { out } = await cli.run(['doctor', 'oauth', '--help'])
    expect(out).toContain('\n  agentruntime doctor oauth [provider]\n')
    expect(out).toContain('\n  [provider]  one app only; or --provider TEXT\n')
    expect(out).toContain('\nExample\n  agentruntime doctor oauth\n')
  })

  it('[cli.plain-output] neither a finding nor a link can steer the terminal', async () => {
    const nasty = 'evil\u001b[2J\u001b]0;title\u0007\u202e\r'
    cli.answers['doctor.oauth'] = diagnosis(app(nasty, nasty, { ...wrong, message: nasty, fix: nasty }))
    cli.answers['connections.authorize'] = { ...offered, authorization_url: nasty }
    inTurn({ ...connected, kind: nasty, connection_id: nasty, notes: [nasty] })
    for (const argv of [
      ['doctor', 'oauth'],
      ['connections', 'authorize', 'google', '--wait'],
    ]) {
      const ran = await cli.run(argv, { typed: [] })
      expect(ran.out).toContain('evil')
      expect(ran.out + ran.err).not.toMatch(/[\0-\x08\x0b-\x1f\x7f-\x9f\u202e]/)
    }
  })
})

describe('words without a flag', () => {
  it('are fields of the operation, and in no path', () => {
    const named = operations.filter((op) => op.words)
    expect(named.map((op) => op.name)).toEqual(['doctor.oauth'])
    for (const op of named)
      for (const word of op.words ?? []) {
        expect(Object.keys(op.input.shape), op.name).toContain(word)
        expect(op.http, op.name).not.toContain(`{${word}}`)
      }
  })

  it('what is missing is explained by the command that lists it, or in its own words', async () => {
    const hint = async (...argv: string[]) => (await cli.run(argv)).err
    expect(await hint('runs', 'summary')).toContain('agentruntime workflows list shows them.')
    expect(await hint('oauth-apps', 'get')).toContain('agentruntime oauth-apps list shows them.')
    expect(await hint('oauth', 'attempt')).not.toContain('shows them')
    // Only what stands in the path: the route of this one alone is a list, and not of names.
    expect(await hint('connections', 'create', '--provider', 'github', '--credentials', '{}')).toMatch(
      /needs --display-name\n(?!.*shows them)/,
    )
    expect(await hint('connections', 'authorize')).toContain('connections authorize needs <slug>')
  })
})
