/** What people get by mail. Plain text: every program shows it, and nothing in it can be hidden. */
import type { Letter } from '../base/mail.ts'

const sign = '\n\nAgentRuntime'

export const resetLetter = (to: string, link: string): Letter => ({
  to,
  subject: 'A new password',
  text: `Somebody, probably you, has asked for a new password. This link works once, and for an hour:\n\n${link}\n\nIf it was not you, there is nothing to do: your password is what it was.${sign}`,
})

export const invitationLetter = (to: string, it: { workspace: string; by: string; link: string }): Letter => ({
  to,
  subject: `An invitation to ${it.workspace}`,
  text: `${it.by} invites you to the workspace ${it.workspace}. This link works once, and for seven days:\n\n${it.link}${sign}`,
})

export const tokenLetter = (to: string, it: { name: string; expires: string; revoke: string }): Letter => ({
  to,
  subject: 'A new token of yours',
  text: `A personal access token, "${it.name}", was made in your name. It ends on ${it.expires.slice(0, 10)}.\n\nIf it was not you, change your password and revoke it: ${it.revoke}${sign}`,
})
