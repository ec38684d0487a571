import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { findKnownKey } from './suspects.ts'

// Put together here, so that scanners of source code do not take these for real keys.
const of = (...parts: string[]): string => parts.join('')
const body = 'q7Zk2mXw9TbR4nVc8LpY3sHd6GfJ1aEu5oKi0tQxW2yB'
const hex = '0123456789abcdef0123456789abcdef'
const upper = 'A1B2C3D4E5F6G7H8I9J0K1L2M3N4O5P6'
const pem = (kind: string) => `-----BEGIN ${kind}-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END ${kind}-----`

const KEYS: [string, string][] = [
  ...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((p): [string, string] => ['a GitHub token', of(p, body.slice(0, 36))]),
  ['a GitHub fine-grained token', of('github_', 'pat_', body.slice(0, 22), '_', body)],
  ['a GitLab token', of('glpat', '-', body.slice(0, 20))],
  ['an access token of this server', of('ar_', 'pat_', body.slice(0, 32))],
  ['a Slack token', of('xox', 'b-', '123456789012-1234567890123-', body.slice(0, 24))],
  ['a Slack token', of('xox', 'p-', '123456789012-1234567890123-', hex)],
  ['a Slack token', of('xoxe.', 'xoxp-1-', body)],
  ['a Slack app token', of('xapp', '-1-A0123456789-1234567890123-', hex)],
  ['a Slack webhook address', of('https://hooks.slack.com', '/services/T0123456/B0123456/', body.slice(0, 24))],
  ['a Stripe key', of('sk_', 'live_', body.slice(0, 24))],
  ['a Stripe key', of('rk_', 'live_', body.slice(0, 24))],
  ['a Stripe key', of('sk_', 'test_', body.slice(0, 24))],
  ['a webhook signing secret', of('whsec', '_', body.slice(0, 32))],
  ['an Anthropic key', of('sk-', 'ant-', 'api03-', body)],
  ['an OpenAI key', of('sk-', body, 'abcd')],
  ['an OpenAI key', of('sk-', 'proj-', body)],
  ['a Google API key', of('AI', 'zaSy', body.slice(0, 33))],
  ['a Google access token', of('ya', '29.', 'a0Af_', body)],
  ['a Google refresh token', of('1/', '/0', body)],
  ['a Google client secret', of('GOC', 'SPX-', body.slice(0, 28))],
  ['an AWS access key', of('AK', 'IA', 'IOSFODNN7EXAMPLE')],
  ['an AWS access key', of('AS', 'IA', 'IOSFODNN7EXAMPLE')],
  ['an AWS secret key', of('AWS_SECRET', '_ACCESS_KEY=', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY')],
  ['a Resend key', of('re', '_', body.slice(0, 8), '_', body.slice(8, 32))],
  ['a Resend key', of('re', '_', body.slice(0, 30))],
  ['a Shopify token', of('shp', 'at_', hex)],
  ['a Shopify token', of('shp', 'ss_', hex)],
  ['a Notion token', of('sec', 'ret_', body.slice(0, 43))],
  ['a Notion token', of('nt', 'n_', body, 'x1')],
  ['a ClickUp token', of('pk', '_1234567_', upper)],
  ['a SendGrid key', of('S', 'G.', body.slice(0, 22), '.', body.slice(0, 43))],
  ['a Meta access token', of('EA', 'A', body, body, body)],
  ['an npm token', of('np', 'm_', body.slice(0, 36))],
  ['a signed token (JWT)', of('ey', 'JhbGciOiJIUzI1NiJ9', '.ey', 'JzdWIiOiIxMjM0NTY3ODkwIn0', '.', body)],
  ['a private key', pem('PRIVATE KEY')],
  ['a private key', pem('RSA PRIVATE KEY').replaceAll('\n', '\\n')],
  ['a private key', pem('OPENSSH PRIVATE KEY')],
  ...['postgres', 'postgresql', 'mysql', 'mongodb', 'mongodb+srv', 'redis', 'rediss', 'neo4j+s', 'amqp', 'https'].map(
    (scheme): [string, string] => ['an address with a password in it', of(scheme, '://app:', 'pass', '@db.example.com/x')],
  ),
  ['an address with a password in it', of('redis://', ':pass', '@localhost:6379')],
  ['a bearer token', `Bearer ${body}`],
  ['a bearer token', 'authorization: bearer 550e8400-e29b-41d4-a716-446655440000'],
  ['a name and password (Basic)', `Basic ${Buffer.from('user:pass').toString('base64')}`],
]

const HONEST: string[] = [
  '550e8400-e29b-41d4-a716-446655440000',
  'da39a3ee5e6b4b0d3255bfef95601890afd80709',
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  'https://example.com/a/b?page=2&user=a@example.com#top',
  'https://user@example.com/repo.git',
  'https://example.com:8443/@scope/package',
  'postgres://db.example.com:5432/app?application_name=a@b',
  'postgres://app@db.example.com/app',
  'postgres://app:{{input.password}}@db.example.com/app',
  'postgres://app:{{ input.password }}@db.example.com/app',
  'postgres://app:****@db.example.com/app',
  'postgres://app:<password>@db.example.com/app',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell's spelling, on purpose
  'postgres://app:${PGPASSWORD}@db.example.com/app',
  'Bearer {{input.token}}',
  'Bearer authentication-is-described-below',
  'Bearer YOUR_ACCESS_TOKEN_GOES_HERE',
  'Basic authentication',
  'Basic information about the account',
  'sk_SK is a locale, and risk-management-for-small-companies is a page',
  'desk-research-and-other-things-that-take-a-long-time-to-write',
  'task-0123456789abcdef0123456789abcdef',
  're_engagement_campaign_for_newsletter_readers_2024',
  'more_re_engagement2024campaignnewsletter',
  'secret_santa_list_for_the_whole_company_and_its_many_friends',
  'secretsantalistforthewholecompany',
  'pk_live_51H8publishablekeysarepublic000000000',
  'SG.1 is the name of a room. SG.2 is another.',
  'AKIRA and ASIAN FOOD are words; AKIA is none',
  'The header looks like -----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkq',
  'A PEM file starts with -----BEGIN PRIVATE KEY----- and ends in -----END PRIVATE KEY-----',
  'eyJ is how JSON looks in base64',
  'eyJhbGciOiJIUzI1NiJ9',
  'xoxo, your friends from 1234-5678',
  'ya29 is a short name',
  'conn_01j9z3k4m5n6p7q8r9s0t1v2w3x4',
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJvYkBleGFtcGxlLmNvbQ== bob@example.com',
  '{{steps.fetch.result.items.0.html_url}}',
  'SELECT id, name FROM users WHERE re_order > 3 AND created_at < now()',
  '12:30:45 meet @ the office',
  'mailto:someone@example.com',
]

describe('findKnownKey', () => {
  it.each(KEYS)('[runs.no-known-key] finds %s', (looks_like, key) => {
    expect(findKnownKey(key)).toEqual({ path: '', looks_like })
    expect(findKnownKey({ text: `use "${key}" please` })?.path).toBe(looks_like.includes('Basic') ? undefined : 'text')
  })

  it.each(HONEST)('leaves honest text alone: %s', (text) => {
    expect(findKnownKey(text)).toBeNull()
    expect(findKnownKey({ [text]: text })).toBeNull()
  })

  it('leaves files in base64, hashes and ids alone', () => {
    const bytes = randomBytes(2 * 1024 * 1024)
    for (const encoding of ['base64', 'hex'] as const) expect(findKnownKey(bytes.toString(encoding))).toBeNull()
    expect(findKnownKey(`data:image/png;base64,${bytes.toString('base64')}`)).toBeNull()
    expect(findKnownKey(Buffer.alloc(3000).toString('base64'))).toBeNull()
  })

  it('gives the path of the first one, and never the secret, even when the secret is a key', () => {
    const key = of('ghp_', body.slice(0, 36))
    const graph = {
      steps: [{ id: 'a' }, { id: 'b', tool_args: { list: [1, null, true], 'x.y': [{ authorization: `token ${key}` }], z: key } }],
    }
    expect(findKnownKey(graph)).toEqual({ path: 'steps[1].tool_args["x.y"][0].authorization', looks_like: 'a GitHub token' })
    const found = findKnownKey({ headers: { [key]: 1 } })
    expect(found).toEqual({ path: 'headers["«key»"]', looks_like: 'a GitHub token' })
    expect(findKnownKey(null)).toBeNull()
    expect(findKnownKey(7)).toBeNull()
  })

  it('finds a key behind an honest look-alike', () => {
    expect(findKnownKey(of('postgres://a:***@h and postgres://a:', 'hunter2', '@h'))?.looks_like).toBe('an address with a password in it')
    expect(findKnownKey(of('re_engagement_campaign_for_readers then re', '_', body.slice(0, 30)))?.looks_like).toBe('a Resend key')
  })

  it('reads very deep values', () => {
    let deep: unknown = of('ghp_', body.slice(0, 36))
    for (let i = 0; i < 100_000; i++) deep = [deep]
    expect(findKnownKey(deep)?.looks_like).toBe('a GitHub token')
  })

  it('[runs.linear-patterns] takes time in proportion to the text, on texts made to be slow', () => {
    const repeats = [
      'http://a:',
      'eyJaaaaaaaa.',
      'Bearer aaaaaaaaaaaaaaaaaaaa ',
      're_a',
      'EAAa',
      '-----BEGIN ',
      'SG.aaaaaaaaaaaaaaaa.',
      'a',
      'xoxb-1',
      'AWS_SECRET_ACCESS_KEY =   ',
      '://',
      'a+',
      '1//0a',
      'sk-',
      'aws_secret_access_key',
    ]
    const time = (size: number): number => {
      const start = performance.now()
      for (const part of repeats) findKnownKey(part.repeat(Math.ceil(size / part.length)))
      return performance.now() - start
    }
    time(20_000)
    const small = Math.min(time(100_000), time(100_000))
    const large = Math.min(time(1_000_000), time(1_000_000))
    // Ten times the text: a quadratic pattern would take a hundred times as long.
    expect(large / small).toBeLessThan(40)
  })
})
