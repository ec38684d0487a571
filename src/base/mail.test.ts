import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { CERTIFICATE, KEY } from '../../test/fakes/postgres-server.ts'
import { startProxy } from '../../test/fakes/proxy.ts'
import { startSmtp } from '../../test/fakes/smtp.ts'
import { parseProxy } from './egress-proxy.ts'
import { createMail, parseSmtp } from './mail.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})
// The certificate is for localhost, db.test and 127.0.0.1.
beforeAll(() => setDefaultCACertificates([...getCACertificates('default'), CERTIFICATE]))

const LETTER = { to: 'bo@example.com', subject: 'A letter', text: 'Here it is.' }

async function mailTo(url: string, leads: Record<string, number>) {
  const proxy = await startProxy({ kind: 'http', credentials: 'out:pass', leads })
  const mail = await createMail(parseSmtp(url, 'agents@example.com'), parseProxy(proxy.url, 'out:pass', true))
  cleanups.push(
    () => proxy.close(),
    () => mail.close(),
  )
  return { proxy, mail }
}
async function server(tls?: { key: string; cert: string }) {
  const smtp = await startSmtp(tls)
  cleanups.push(() => smtp.close())
  return smtp
}

describe('letters, where there is a proxy', () => {
  it('[egress.proxy] go through it, with TLS from end to end', async () => {
    const smtp = await server({ key: KEY, cert: CERTIFICATE })
    const { proxy, mail } = await mailTo('smtps://postie:word@db.test', { 'db.test:465': smtp.port })
    await mail.send(LETTER)
    expect(proxy.asked).toEqual([{ target: 'db.test:465', credentials: 'out:pass' }])
    expect(smtp.received).toMatchObject([{ to: 'bo@example.com', auth: 'postie:word', text: expect.stringContaining('Here it is.') }])
  })

  it('[egress.proxy-lies] are given to nobody whose certificate is for another host', async () => {
    const smtp = await server({ key: KEY, cert: CERTIFICATE })
    const { mail } = await mailTo('smtps://postie:word@mail.test', { 'mail.test:465': smtp.port })
    await expect(mail.send(LETTER)).rejects.toThrow('did not take a letter')
    expect(smtp.received).toEqual([])
  })

  it('[egress.proxy-trouble] fail where it refuses, without the password', async () => {
    const { proxy, mail } = await mailTo('smtps://postie:word@db.test', {})
    proxy.next('refuse')
    await expect(mail.send(LETTER)).rejects.toMatchObject({ message: 'the mail server did not take a letter (UPSTREAM_ERROR)' })
  })

  it('to a server on this machine do not: it is behind no proxy', async () => {
    const smtp = await server()
    const { proxy, mail } = await mailTo(`smtp://127.0.0.1:${smtp.port}`, {})
    await mail.send(LETTER)
    expect(smtp.received).toHaveLength(1)
    expect(proxy.connections).toBe(0)
  })
})
