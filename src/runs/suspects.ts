/**
 * Finds keys of known providers by their looks, for graphs and run inputs that must hold none. Only formats that honest text does not
 * have: a fixed prefix, a minimal length and an alphabet. What has no such format (an Exa key is a UUID) is found elsewhere, by
 * comparing with what is stored.
 *
 * Every pattern is linear in the text: no repetition inside a repetition, and each open end is bounded or runs over one alphabet.
 */
import { jsonPath } from './path.ts'

interface Format {
  looks_like: string
  /** One of these is in the text, or the pattern is not tried. */
  hints: readonly string[]
  /** Group 1, where there is one, is the part that `check` looks at. */
  pattern: RegExp
  check?: (part: string) => boolean
}

/** Digits and letters in turn, as in random text; words with a year or a number in them change far less often. */
const mixed = (part: string): boolean => (part.match(/\d(?=[A-Za-z])|[A-Za-z](?=\d)/g)?.length ?? 0) >= 3
const hasDigit = (part: string): boolean => /\d/.test(part)

/** `***`, `<password>`, `$PASSWORD`, `%s`: places where a password would be. A template is such a place too. */
const isPassword = (part: string): boolean => !/^(?:[*x•.…]+|<.*>|\[.*\]|\$.*|%s|.*\{\{.*)$/i.test(part)

const isBasic = (part: string): boolean => /^[\x20-\x7e]+:[\x20-\x7e]+$/.test(Buffer.from(part, 'base64').toString('latin1'))

// What stands before a key. Prefixes that could begin by chance inside of base64 (no _ or - in them) must not follow its characters.
const WORD = '(?<![A-Za-z0-9])'
const BASE64 = '(?<![A-Za-z0-9+/_-])'
const END = '(?![A-Za-z0-9_-])'
const re = (text: string, flags = ''): RegExp => new RegExp(text, flags)

const FORMATS: readonly Format[] = [
  { looks_like: 'a GitHub token', hints: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], pattern: re(`${WORD}gh[pousr]_[A-Za-z0-9]{30}`) },
  { looks_like: 'a GitHub fine-grained token', hints: ['github_pat_'], pattern: re(`${WORD}github_pat_[A-Za-z0-9_]{30}`) },
  { looks_like: 'a GitLab token', hints: ['glpat-'], pattern: re(`${WORD}glpat-[A-Za-z0-9_-]{20}`) },
  { looks_like: 'an access token of this server', hints: ['ar_pat_'], pattern: re(`${WORD}ar_pat_[A-Za-z0-9_-]{16}`) },
  { looks_like: 'a Slack token', hints: ['xox'], pattern: re(`${WORD}xox[abeoprs](?:\\.xox[bp])?-\\d+-[A-Za-z0-9-]{16}`) },
  { looks_like: 'a Slack app token', hints: ['xapp-'], pattern: re(`${WORD}xapp-\\d-[A-Z0-9]+-\\d+-[a-f0-9]{32}`) },
  {
    looks_like: 'a Slack webhook address',
    hints: ['hooks.slack.com/'],
    pattern: re('hooks\\.slack\\.com/(?:services|workflows|triggers)/[A-Z0-9]+/[A-Z0-9]+/[A-Za-z0-9]{16}'),
  },
  { looks_like: 'a Stripe key', hints: ['k_live_', 'k_test_'], pattern: re(`${WORD}[sr]k_(?:live|test)_[A-Za-z0-9]{16}`) },
  { looks_like: 'a webhook signing secret', hints: ['whsec_'], pattern: re(`${WORD}whsec_[A-Za-z0-9+/=]{20}`) },
  { looks_like: 'an Anthropic key', hints: ['sk-ant-'], pattern: re(`${WORD}sk-ant-[A-Za-z0-9_-]{20}`) },
  {
    looks_like: 'an OpenAI key',
    hints: ['sk-'],
    pattern: re(`${BASE64}sk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20}|[A-Za-z0-9]{32})`),
  },
  { looks_like: 'a Google API key', hints: ['AIza'], pattern: re(`${BASE64}AIza[A-Za-z0-9_-]{35}${END}`) },
  { looks_like: 'a Google access token', hints: ['ya29.'], pattern: re(`${WORD}ya29\\.[A-Za-z0-9_-]{20}`) },
  { looks_like: 'a Google refresh token', hints: ['1//0'], pattern: re(`${BASE64}1//0[A-Za-z0-9_-]{30}`) },
  { looks_like: 'a Google client secret', hints: ['GOCSPX-'], pattern: re(`${WORD}GOCSPX-[A-Za-z0-9_-]{20}`) },
  { looks_like: 'an AWS access key', hints: ['AKIA', 'ASIA'], pattern: re(`${BASE64}A[KS]IA[A-Z2-7]{16}${END}`) },
  {
    looks_like: 'an AWS secret key',
    hints: ['aws_secret_access_key', 'AWS_SECRET_ACCESS_KEY'],
    pattern: re('aws_secret_access_key["\']?\\s{0,4}[=:]\\s{0,4}["\']?[A-Za-z0-9/+]{40}', 'i'),
  },
  { looks_like: 'a Resend key', hints: ['re_'], pattern: re(`${BASE64}re_([A-Za-z0-9]{8}_[A-Za-z0-9]{24})${END}`), check: hasDigit },
  { looks_like: 'a Resend key', hints: ['re_'], pattern: re(`${BASE64}re_([A-Za-z0-9_]{20,200})`), check: mixed },
  {
    looks_like: 'a Shopify token',
    hints: ['shpat_', 'shpss_', 'shpca_', 'shppa_'],
    pattern: re(`${WORD}shp(?:at|ss|ca|pa)_[A-Fa-f0-9]{24}`),
  },
  {
    looks_like: 'a Notion token',
    hints: ['secret_', 'ntn_'],
    pattern: re(`${WORD}(?:secret|ntn)_([A-Za-z0-9]{40,50})${END}`),
    check: hasDigit,
  },
  { looks_like: 'a ClickUp token', hints: ['pk_'], pattern: re(`${WORD}pk_\\d{3,14}_[A-Z0-9]{24}`) },
  { looks_like: 'a SendGrid key', hints: ['SG.'], pattern: re(`${BASE64}SG\\.[A-Za-z0-9_-]{16,32}\\.[A-Za-z0-9_-]{32}`) },
  { looks_like: 'a Meta access token', hints: ['EAA'], pattern: re(`${BASE64}EAA([A-Za-z0-9]{60,400})`), check: mixed },
  { looks_like: 'an npm token', hints: ['npm_'], pattern: re(`${WORD}npm_([A-Za-z0-9]{36})${END}`), check: hasDigit },
  {
    looks_like: 'a signed token (JWT)',
    hints: ['eyJ'],
    pattern: re(`${BASE64}eyJ[A-Za-z0-9_-]{8,4000}\\.eyJ[A-Za-z0-9_-]{8,8000}\\.[A-Za-z0-9_-]{16}`),
  },
  {
    looks_like: 'a private key',
    hints: ['PRIVATE KEY'],
    pattern: re(
      '-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:\\s|\\\\n|\\\\r){0,8}(?:[A-Za-z0-9+/]{16}|Proc-Type|Version|Comment)',
    ),
  },
  {
    looks_like: 'an address with a password in it',
    hints: ['://'],
    pattern: re('[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\\s:/?#@"\'<>]{0,256}:([^\\s/?#@"\']{1,256})@'),
    check: isPassword,
  },
  {
    looks_like: 'a bearer token',
    hints: ['Bearer', 'bearer', 'BEARER'],
    pattern: re(`${WORD}bearer\\s{1,4}([A-Za-z0-9._~+/=-]{20,4000})`, 'i'),
    check: (part) => hasDigit(part) && /[A-Za-z]/.test(part),
  },
  { looks_like: 'a name and password (Basic)', hints: ['Basic '], pattern: re('^Basic ([A-Za-z0-9+/]{6,400}={0,2})$'), check: isBasic },
]

function looksLike(text: string): string | null {
  if (text.length < 10) return null
  for (const { looks_like, hints, pattern, check } of FORMATS) {
    if (!hints.some((hint) => text.includes(hint))) continue
    if (!check) {
      if (pattern.test(text)) return looks_like
      continue
    }
    // Honest look-alikes may come first: every place is checked.
    for (const match of text.matchAll(new RegExp(pattern, pattern.flags + 'g'))) if (check(match[1]!)) return looks_like
  }
  return null
}

export interface Suspect {
  /** `steps[0].tool_args.headers.authorization`. A key that is itself the finding stands as `«key»`, so this never holds a secret. */
  path: string
  /** For a sentence: "looks like …". */
  looks_like: string
}

/** The first string or object key in a JSON value that has the format of a provider's key, in document order, or null. */
export function findKnownKey(value: unknown): Suspect | null {
  type Place = { value: unknown; key: PropertyKey; up: Place | null }
  const path = (place: Place | null, last: PropertyKey[] = []): string => {
    const keys = [...last]
    for (let at = place; at?.up; at = at.up) keys.unshift(at.key)
    return jsonPath(keys)
  }
  // An explicit stack: this also reads inputs that nobody has checked for depth yet.
  const open: Place[] = [{ value, key: '', up: null }]
  for (let place = open.pop(); place; place = open.pop()) {
    const { value: here } = place
    if (typeof here === 'string') {
      const found = looksLike(here)
      if (found) return { path: path(place), looks_like: found }
    } else if (Array.isArray(here)) {
      for (let i = here.length - 1; i >= 0; i--) open.push({ value: here[i], key: i, up: place })
    } else if (typeof here === 'object' && here !== null) {
      const entries = Object.entries(here)
      for (const [key] of entries) {
        const found = looksLike(key)
        if (found) return { path: path(place, ['«key»']), looks_like: found }
      }
      for (const [key, inner] of entries.reverse()) open.push({ value: inner, key, up: place })
    }
  }
  return null
}
