/** Mail, with a server that keeps what it is given. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startSmtp } from '../fakes/smtp.ts'
import { failedStart, OWNER, runtime, type TestRuntime, until } from '../harness.ts'
import { owner, PASSWORD, type Person, person } from './person.ts'

let smtp: Awaited<ReturnType<typeof startSmtp>>
let rt: TestRuntime
let ada: Person
const dir = mkdtempSync(join(tmpdir(), 'agentruntime-mail-'))
const file = join(dir, 'smtp')

beforeAll(async () => {
  smtp = await startSmtp()
  writeFileSync(file, `smtp://postie:the%20mail%20password@127.0.0.1:${smtp.port}\n`)
  rt = await runtime({ flags: ['--smtp-url-file', file, '--mail-from', 'AgentRuntime <agents@example.com>'] })
  ada = await owner(rt)
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  smtp?.close()
  rmSync(dir, { recursive: true, force: true })
})

const letterTo = (to: string) => until(() => smtp.received.find((it) => it.to === to), `a letter to ${to}`)
const tokenOf = (text: string) => /#t=([\w-]{32})/.exec(text)?.[1]

it('[mail.sent] an invitation goes out to who is invited, and its link works', async () => {
  const made = await ada.ok('POST', '/v1/invitations', { email: 'bo@example.com' })
  expect(made.mailed).toBe(true)
  const letter = await letterTo('bo@example.com')
  expect(letter.text).toContain('Subject: An invitation to Default workspace')
  expect(letter.text).toContain('From: AgentRuntime <agents@example.com>')
  expect(letter.auth).toBe('postie:the mail password')
  const bo = person(rt)
  await bo.ok('POST', '/v1/invitations/accept', { token: tokenOf(letter.text), password: PASSWORD })
})

it('[mail.sent] a forgotten password: a link for who is known, and nothing for a stranger', async () => {
  const stranger = person(rt)
  for (const email of ['nobody@example.com', OWNER.email])
    expect(await stranger.ok('POST', '/v1/auth/forgot-password', { email })).toEqual({ ok: true })
  const letter = await letterTo(OWNER.email)
  expect(smtp.received.filter((it) => it.to === 'nobody@example.com')).toEqual([])
  await stranger.ok('POST', '/v1/auth/reset-password', { token: tokenOf(letter.text), password: OWNER.password })
  expect((await ada.api('GET', '/v1/me')).status).toBe(401) // every session ends with it
  await ada.ok('POST', '/v1/auth/sign-in', OWNER)
})

it('[mail.sent] a new token is told of to its owner, without the token', async () => {
  smtp.received.length = 0
  const { token } = await ada.ok('POST', '/v1/pats', { display_name: 'Robot', scopes: ['workflow:read'] })
  const letter = await letterTo(OWNER.email)
  expect(letter.text).toContain('"Robot"')
  expect(letter.text).not.toContain(token)
})

it('a mail server that refuses keeps nobody waiting, and the log has its number and not its words', async () => {
  smtp.refuse(true)
  expect((await ada.ok('POST', '/v1/invitations', { email: 'cy@example.com' })).mailed).toBe(true)
  const line = await until(
    () =>
      readFileSync(rt.logFile, 'utf8')
        .split('\n')
        .find((it) => it.includes('did not take a letter')),
    'the log line',
  )
  expect(line).toContain('(550)')
  expect(readFileSync(rt.logFile, 'utf8')).not.toMatch(/not today|the mail password|postie/)
})

it('settings that cannot work are refused at the start', async () => {
  writeFileSync(join(dir, 'bad'), 'https://mail.example.com')
  const argv = ['start', '--port', '0', '--data-dir', join(dir, 'data')]
  for (const [more, says] of [
    [['--smtp-url-file', file], /needs --mail-from/],
    [['--smtp-url-file', file, '--mail-from', 'nobody'], /needs --mail-from/],
    [['--smtp-url-file', join(dir, 'none'), '--mail-from', 'a@example.com'], /cannot be read \(ENOENT\)/],
    [['--smtp-url-file', join(dir, 'bad'), '--mail-from', 'a@example.com'], /must hold smtp/],
    [['--trusted-proxy', 'proxy.example.com'], /must be an IP address/],
  ] as const) {
    const ran = await failedStart([...argv, ...more])
    expect(ran.code).toBe(2)
    expect(ran.stderr).toMatch(says)
  }
})
