/** Everything this runtime can be asked to do. */
import type { z } from 'zod'
import * as access from './access.ts'
import { changes } from './changes.ts'
import * as audit from './audit.ts'
import { burn } from './burn.ts'
import * as connections from './connections.ts'
import { egress } from './egress.ts'
import * as definitions from './definitions.ts'
import { importAll } from './definitions-import.ts'
import * as google from './google.ts'
import { home } from './home.ts'
import * as identities from './identities.ts'
import * as instances from './instances.ts'
import * as members from './members.ts'
import * as oauth from './oauth.ts'
import * as oauthApps from './oauth-apps.ts'
import type { AnyOperation } from './operation.ts'
import * as pats from './pats.ts'
import * as rotation from './rotation.ts'
import { test } from './rotation-trial.ts'
import * as runs from './runs.ts'
import * as secretRotation from './secret-rotation.ts'
import * as signIns from './sign-ins.ts'
import { templates } from './templates.ts'
import * as tools from './tools.ts'
import * as uses from './uses.ts'
import * as vault from './vault.ts'
import * as webhooks from './webhooks.ts'
import * as whatsapp from './whatsapp.ts'
import * as wiring from './wiring.ts'
import * as workflows from './workflows.ts'
import * as workspaces from './workspaces.ts'

export { type Arrival, createElsewhere, type Elsewhere, type SignInProvider, WAY_MS } from './elsewhere.ts'
export { forgetOldAnswers } from './rows.ts'
export { createSignIn, type Ending, type Invitation, type SignIn, standsBy } from './sign-in.ts'
export { type AnyOperation, type Asked, type Browser, createInvoke, type Ctx, type Invoke, type Rooms, scopesOf } from './operation.ts'
export type { Ingress } from '../triggers/index.ts'
export { bearerOf } from './webhooks.ts'

const all = [
  access.me,
  pats.listPats,
  pats.createPat,
  pats.revokePat,
  pats.revokeAll,
  pats.pattern,
  pats.reportLeaked,
  access.listAudit,
  access.verify,
  uses.all,
  audit.checkpoint,
  audit.exportAll,
  signIns.setupState,
  signIns.setUp,
  signIns.signIn,
  signIns.signOut,
  signIns.forgot,
  signIns.reset,
  signIns.changePassword,
  signIns.sessions,
  signIns.endSession,
  signIns.endOtherSessions,
  identities.providers,
  identities.start,
  identities.link,
  identities.list,
  identities.unlink,
  changes,
  egress,
  home,
  workspaces.listWorkspaces,
  workspaces.createWorkspace,
  workspaces.updateWorkspace,
  workspaces.listProjects,
  workspaces.createProject,
  workspaces.updateProject,
  members.list,
  members.add,
  members.update,
  members.remove,
  members.leave,
  members.resetLink,
  members.listInvitations,
  members.createInvitation,
  members.withdrawInvitation,
  members.lookAtInvitation,
  members.acceptInvitation,
  templates,
  connections.list,
  connections.create,
  connections.get,
  connections.update,
  wiring.remove,
  connections.credentialFacts,
  wiring.usage,
  burn,
  connections.tryOut,
  connections.validate,
  connections.events,
  uses.ofConnection,
  rotation.begin,
  rotation.get,
  rotation.list,
  rotation.validate,
  test,
  rotation.promote,
  rotation.rollback,
  rotation.finish,
  rotation.evidence,
  oauth.authorize,
  oauth.reconnect,
  oauth.attempt,
  oauth.doctor,
  oauth.confirmOriginal,
  google.config,
  google.oauthUrl,
  google.complete,
  google.account,
  google.switchServices,
  whatsapp.config,
  whatsapp.complete,
  whatsapp.manual,
  oauthApps.list,
  oauthApps.get,
  oauthApps.put,
  oauthApps.remove,
  wiring.appUsage,
  secretRotation.app,
  secretRotation.finishApp,
  secretRotation.rollBackApp,
  tools.catalog,
  tools.resolve,
  instances.list,
  instances.create,
  instances.get,
  wiring.instanceUsage,
  instances.update,
  instances.remove,
  tools.validateInstance,
  tools.listTools,
  tools.call,
  instances.listProfiles,
  instances.createProfile,
  instances.updateProfile,
  instances.activateProfile,
  workflows.list,
  workflows.create,
  workflows.get,
  workflows.update,
  workflows.archive,
  workflows.restore,
  workflows.validate,
  workflows.versions,
  workflows.publish,
  runs.command,
  runs.list,
  runs.listOfWorkflow,
  runs.summary,
  runs.events,
  runs.context,
  runs.retry,
  runs.resolveStep,
  webhooks.list,
  webhooks.create,
  webhooks.get,
  webhooks.update,
  webhooks.remove,
  webhooks.rotateSecret,
  secretRotation.webhook,
  secretRotation.finishWebhook,
  secretRotation.rollBackWebhook,
  webhooks.deliveries,
  definitions.exportAll,
  importAll,
  vault.status,
  vault.rotate,
  vault.rewrap,
] as const

export const operations: readonly AnyOperation[] = all as never

/** Types for TypeScript callers: input and output of each operation by name. */
export type Api = { [O in (typeof all)[number] as O['name']]: { input: z.input<O['input']>; output: z.output<O['output']> } }
