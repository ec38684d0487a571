/** How an authorization may end, in words for the person in front of the browser. Each says what to do next. */

export interface Ending {
  kind:
    | 'connected'
    | 'reconnected'
    | 'declined'
    | 'provider_error'
    | 'link_unknown'
    | 'link_used'
    | 'link_expired'
    | 'other_browser'
    | 'wrong_issuer'
    | 'malformed'
    | 'app_missing'
    | 'app_refused'
    | 'exchange_failed'
    | 'provider_unavailable'
    | 'other_account'
    | 'connection_gone'
    | 'not_allowed'
    | 'not_our_page'
  ok: boolean
  title: string
  text: string
  /** What a person does now. */
  next: string
  connectionId: string | null
  /** Things to know although it worked: what will not work, and until when. */
  notes: string[]
  returnTo: string | null
}

const FAILURES: Record<Exclude<Ending['kind'], 'connected' | 'reconnected'>, [title: string, text: string, next: string]> = {
  declined: ['Nothing was connected', 'Access was declined at {provider}.', 'Start again when you want to allow it.'],
  provider_error: [
    '{provider} reported an error',
    'It answered with the code {code} and gave nothing.',
    'Start again. If it comes back, give this code to whoever runs this server.',
  ],
  link_unknown: [
    'This sign-in is not known',
    'The address does not belong to a sign-in that was begun here, or it has been finished already.',
    'Start again from the place where you wanted to connect.',
  ],
  link_used: ['This link has been used', 'A sign-in link works once, in the browser that opened it first.', 'Ask for a new link.'],
  link_expired: ['This link has expired', 'A sign-in must be finished within 10 minutes.', 'Ask for a new link.'],
  other_browser: [
    'This sign-in was begun in another browser',
    'Nothing was connected: only the browser that opened the link may finish it.',
    'Open a new link in this browser. If somebody sent you here, do not go on.',
  ],
  wrong_issuer: [
    'The answer came from somewhere else',
    'It does not say that it is from {provider}. Nothing was connected.',
    'Start again. If it comes back, tell whoever runs this server.',
  ],
  malformed: ['This address is incomplete', 'The provider sends back a code and a state, and one of them is missing.', 'Start again.'],
  app_missing: [
    'The OAuth app is gone',
    'The app that this sign-in was begun with is not set up any more.',
    'Tell whoever runs this server.',
  ],
  app_refused: [
    '{provider} refuses this server',
    'It does not accept the OAuth app of this server (code {code}). Signing in again does not help.',
    'Tell whoever runs this server: "agentruntime doctor oauth" says what to mend.',
  ],
  exchange_failed: ['{provider} did not accept the answer', 'It refused the code that it had just given (code {code}).', 'Start again.'],
  provider_unavailable: [
    '{provider} does not answer',
    'It could not be reached to finish the sign-in. Nothing was connected.',
    'Start again in a moment.',
  ],
  other_account: [
    'That was another account',
    'You signed in as {got}, and this connection is for {want}. Nothing was changed.',
    'Start again and choose {want}, or connect {got} as a connection of its own.',
  ],
  connection_gone: ['The connection is gone', 'It was deleted while you signed in. Nothing was connected.', 'Connect anew.'],
  not_our_page: [
    'This came from another page',
    'The button was not pressed on our own page, so nothing was begun.',
    'Open the link itself, and start again from there.',
  ],
  not_allowed: ['This link does not hold any more', 'Whoever asked for it may not connect accounts here any more.', 'Ask for a new link.'],
}

export function failed(
  kind: keyof typeof FAILURES,
  words: Partial<Record<'provider' | 'code' | 'got' | 'want', string>> = {},
  returnTo: string | null = null,
): Ending {
  const fill = (text: string) =>
    text.replaceAll(/\{(\w+)\}/g, (_, name: string) => words[name as 'code'] ?? (name === 'provider' ? 'The provider' : '?'))
  const [title, text, next] = FAILURES[kind]
  return { kind, ok: false, title: fill(title), text: fill(text), next: fill(next), connectionId: null, notes: [], returnTo }
}
