/** Letters, through the SMTP server that the operator has named, and through the proxy where there is one. */
import { createEgress } from './egress.ts'
import type { ProxySettings } from './egress-proxy.ts'
import { Fault, fail } from './errors.ts'

export interface Letter {
  to: string
  subject: string
  text: string
}
export interface SmtpSettings {
  host: string
  port: number
  /** TLS from the first byte; else STARTTLS is insisted on, except on this machine. */
  secure: boolean
  user: string | null
  password: string | null
  from: string
}

/** Nobody waits for a letter; a server that is silent for longer is not there. */
const SILENCE_MS = 15_000

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/

/** What submission and implicit TLS listen on (RFC 8314). */
const SMTP_PORT = { 'smtp:': 587, 'smtps:': 465 } as const

/** Reads the setting. Throws INVALID_INPUT. */
export function parseSmtp(text: string, from: string | undefined): SmtpSettings {
  if (from === undefined || !/@[^\s@]+>?$/.test(from)) fail('INVALID_INPUT', '--smtp-url-file needs --mail-from with an e-mail address')
  const url = URL.parse(text)
  if (!url || !(url.protocol in SMTP_PORT) || url.hostname === '')
    return fail('INVALID_INPUT', '--smtp-url-file must hold smtp://… or smtps://…')
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port || SMTP_PORT[url.protocol as keyof typeof SMTP_PORT]),
    secure: url.protocol === 'smtps:',
    user: url.username === '' ? null : decodeURIComponent(url.username),
    password: url.password === '' ? null : decodeURIComponent(url.password),
    from,
  }
}

export interface Mail {
  /** Faults: UPSTREAM_ERROR. */
  send(letter: Letter): Promise<void>
  close(): Promise<void>
}

export async function createMail(settings: SmtpSettings, proxy: ProxySettings | null): Promise<Mail> {
  // Only here: a runtime without mail does not load it.
  const { createTransport } = await import('nodemailer')
  const { host, port, secure, user, password, from } = settings
  // This one host, which is the operator's choice, wherever it is. What is on this machine is not behind any proxy.
  const egress = createEgress({ allowPrivate: [{ host, port }], proxy: LOOPBACK.test(host) ? null : proxy })
  const transport = createTransport({
    host,
    port,
    secure,
    requireTLS: !LOOPBACK.test(host),
    ...(user === null ? {} : { auth: { user, pass: password ?? '' } }),
    getSocket(_options, done) {
      egress.connect(host, port, { signal: AbortSignal.timeout(SILENCE_MS) }).then((connection) => done(null, { connection }), done)
    },
    connectionTimeout: SILENCE_MS,
    greetingTimeout: SILENCE_MS,
    socketTimeout: SILENCE_MS,
    // What is in a letter is ours; nothing is fetched for it.
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return {
    async send(letter) {
      await transport.sendMail({ from, ...letter }).catch((error: { code?: string; responseCode?: number }) => {
        // The server's words may repeat the letter, so only its numbers are told.
        throw new Fault('UPSTREAM_ERROR', `the mail server did not take a letter (${error.responseCode ?? error.code ?? 'no answer'})`)
      })
    },
    async close() {
      transport.close()
      await egress.close()
    },
  }
}
