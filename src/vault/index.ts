/**
 * The strong room's door. Three hatches: *lending* is handed to connections, *keeping* to the operations, *verifying* to triggers. What is
 * behind it is the only plaintext in the building.
 */
import type { Db, Tx } from '../base/db.ts'
import type { Egress } from '../base/egress.ts'
import { RUNTIME, type Uses } from '../base/secret-use.ts'
import { keysIn, secretsInKeyFile } from './assertion.ts'
import { createDial } from './dial.ts'
import { type Discovered, discover } from './discover.ts'
import { fingerprint, type Matcher } from './fingerprint.ts'
import { intake } from './intake.ts'
import { createJournal, type Entry } from './journal.ts'
import { createOAuth } from './oauth.ts'
import { createLink, HeldUp } from './oauth-link.ts'
import { createOpened, type Use, useOf } from './opened.ts'
import type { Wire } from './recipe.ts'
import { createRedactor, OPERATOR, type Redactor } from './redact.ts'
import { createRoom } from './room.ts'
import { openRootKey, type RootKeySource } from './root.ts'
import { rewrap } from './rewrap.ts'
import { dropField } from './rows.ts'
import { createSealed, type FieldFacts, type Owned } from './sealed.ts'
import type { Scrubber } from './scrub.ts'
import { conceal, reveal, type Secret } from './secret.ts'
import { createSend } from './send.ts'
import { type Signed, signWebhook } from './sign.ts'
import { createSigner } from './signer.ts'
import { createVerify } from './verify.ts'

export { openBackup, type SealedHead, sealBackup } from './backup-cipher.ts'
export type { Inspected } from './codes.ts'
export type { Discovered } from './discover.ts'
export type { Account, Judgement, Refusal, RefusalRow } from './judge.ts'
export { scopesIn } from './judge.ts'
export type { Grant, OAuthClient, OAuthServer, Obtained, Renewal, SecretAt, TokenFacts } from './oauth.ts'
export { TOKEN_REQUEST_MS } from './oauth.ts'
export { HeldUp }
export { eachCall } from './dial.ts'
export type { Sessions, SqlColumn, SqlLimits, SqlResult, SqlSession } from './drivers/session.ts'
export type { RemoteWire } from './drivers/wires.ts'
export { basic, bearer, type Field, header, type Put, query, type Wire } from './recipe.ts'
export { createRedactor, type Redactor } from './redact.ts'
export type { RewrapProgress } from './rewrap.ts'
export { newRootKeyText, type RootKeySource } from './root.ts'
export type { VaultState, VaultStatus } from './room.ts'
export type { FieldFacts, Owned as CredentialRef } from './sealed.ts'
export { conceal, Secret, secretField } from './secret.ts'
export type { Searched } from './send.ts'
export type { ClaimedSignature, SigningKey, Verifying } from './verify.ts'

/** The field in which the answer of a token endpoint waits to be read. */
const ANSWER = 'answer'
/** What does not leave the building. */
const INSIDE = {
  carry: { purpose: 'carry', host: null, user: RUNTIME },
  answer: { purpose: 'answer', host: null, user: RUNTIME },
} as const satisfies Record<string, Use>
/** How long one reading of a workspace's fingerprints serves: a secret stored elsewhere is known here within a second. */
const FINGERPRINTS_MS = 1_000

export function createVault(deps: {
  db: Db
  rootSource: RootKeySource
  egress: Egress
  now: () => number
  /** Who opened what, for what, where to. */
  uses: Uses
  /** Below it lie the projects' own database files. */
  localRoot: string
  /** Where answers lie that came while the database was away. */
  journalDir: string
  /** Client secrets of OAuth apps that the configuration brings, by the app's name. */
  configured?: ReadonlyMap<string, Secret>
  /** Made before the vault, where the log is to be searched too. */
  redactor?: Redactor
  wait?: (ms: number) => Promise<void>
  fault?: ((point: string) => void | Promise<void>) | undefined
}) {
  const { db, now, egress } = deps
  const fault = deps.fault ? { fault: deps.fault } : {}
  const room = createRoom({ db, openRoot: (create) => openRootKey({ source: deps.rootSource, create }), ...fault })
  const redactor = deps.redactor ?? createRedactor({ now })
  const sealed = createSealed({
    db,
    room,
    now,
    redactor: { ...redactor, learn: (at, opened) => redactor.learn(at, [...opened, ...opened.flatMap(keysIn)]) },
  })
  const opened = createOpened({ sealed, uses: deps.uses })
  const dial = createDial({ opened, egress, redactor, now, localRoot: deps.localRoot })
  const send = createSend({ opened, egress, redactor, ...fault })
  const link = createLink({ room, now })
  const wait = deps.wait ?? ((ms: number) => new Promise<void>((done) => setTimeout(done, ms)))
  const oauth = createOAuth({ link, opened, egress, now, configured: deps.configured ?? new Map(), wait, ...fault })
  const journal = createJournal({ room, dir: deps.journalDir })
  const matchers = new Map<string, { matcher: Promise<Matcher>; until: number }>()

  // The deployment's own.
  for (const [name, secret] of deps.configured ?? [])
    redactor.learn({ workspace: OPERATOR, owner: `configured ${name}`, version: 1 }, [reveal(secret)])

  const concealed = (texts: Record<string, string>) =>
    Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, conceal(text)]))
  async function carry(tx: Tx, from: Owned, fields: Readonly<Record<string, Secret>>): Promise<Record<string, Secret>> {
    try {
      return concealed(await opened.readIn(tx, from, INSIDE.carry))
    } catch (error) {
      // A whole new credential takes the place of one that cannot be read any more; half of one would lose the rest.
      const stored = await sealed.facts(tx, from.owner, from.version)
      if ((error as { code?: string }).code === 'UNDECRYPTABLE' && stored.every((f) => f.field in fields)) return {}
      throw error
    }
  }
  function sealWhole(tx: Tx, at: Owned, whole: Readonly<Record<string, Secret>>, wire: Wire | null): Promise<FieldFacts[]> {
    matchers.delete(at.workspace)
    const inKeyFile: Record<string, Secret[]> = whole.service_account_json
      ? { service_account_json: secretsInKeyFile(whole.service_account_json) }
      : {}
    return sealed.put(tx, at, whole, { ...dial.parts(wire, whole), ...inKeyFile })
  }

  const lending = {
    /** Faults: VAULT_SEALED. For what must not begin otherwise. */
    mustBeOpen: (): void => void room.ring(),
    intake,
    inspect: dial.inspect,
    /** Seals one version. With `keepFrom`, fields that are not given are carried over from that version. */
    async put(tx: Tx, at: Owned, fields: Readonly<Record<string, Secret>>, options: { wire: Wire | null; keepFrom?: number }) {
      const carried = options.keepFrom === undefined ? {} : await carry(tx, { ...at, version: options.keepFrom }, fields)
      return sealWhole(tx, at, { ...carried, ...fields }, options.wire)
    },
    /**
     * Seals the version after `from`: the fields given, and the rest carried over; `from` is destroyed, and the answer that brought the new
     * one. Asked at once where `from` is at hand. What it returns is called after the commit, and has the new version at hand too.
     */
    async putNext(tx: Tx, from: Owned, fields: Readonly<Record<string, Secret>>): Promise<() => void> {
      const known = sealed.atHand(from)
      if (known) deps.uses.note({ ...from, ...INSIDE.carry })
      const whole = { ...(known ? concealed(known) : await carry(tx, from, fields)), ...fields }
      const at = { ...from, version: from.version + 1 }
      const put = sealWhole(tx, at, whole, null)
      void sealed.dropBehind(tx, from, ANSWER)
      await put
      return () => sealed.remember(at, whole)
    },
    warm: sealed.warm,
    /** Has fields at hand that are stored nowhere, for one try. What it returns takes them out of memory, with the sessions that they opened. */
    hold(at: Owned, fields: Readonly<Record<string, Secret>>): () => Promise<void> {
      sealed.remember(at, fields)
      return async () => {
        sealed.forget(at.owner)
        await dial.drain(at.owner, null)
      }
    },
    facts: sealed.facts,
    async fieldNames(tx: Tx, of: readonly { owner: string; version: number }[]): Promise<Map<string, string[]>> {
      const names = new Map<string, string[]>()
      for (const { owner, field } of await sealed.fieldNames(tx, of)) names.set(owner, [...(names.get(owner) ?? []), field])
      return names
    },
    drop: (tx: Tx, owner: string, version?: number) => sealed.drop(tx, owner, version),
    forget: sealed.forget,
    send,
    oauth: { ...oauth, link, discover: (issuer: string): Promise<Discovered> => discover(egress, issuer) },
    /** Answers of token endpoints, whole and unread: sealed in the database, or in a file while that is away. */
    answers: {
      /** In the caller's transaction. */
      keep: (tx: Tx, at: Owned, answer: Secret) => sealed.put(tx, at, { [ANSWER]: answer }),
      async kept(tx: Tx, at: Owned): Promise<Secret | null> {
        const found = await opened.readIn(tx, at, INSIDE.answer).catch(() => null)
        return found?.[ANSWER] === undefined ? null : conceal(found[ANSWER])
      },
      /** Answers are never opened into memory that is kept, so nothing has to be forgotten. */
      drop: (tx: Tx, at: Pick<Owned, 'owner' | 'version'>) => dropField(tx, at.owner, at.version, ANSWER),
      keepInFile: (at: Owned, answer: Secret): void => journal.write({ ...at, field: ANSWER }, answer),
      inFiles: (): Entry[] => journal.read(),
      dropFile: journal.drop,
    },
    /** For `to`, in the name of a workspace. */
    signWebhook(secret: Secret, message: Parameters<typeof signWebhook>[1], workspace: string, to: string): Signed {
      const text = opened.deployments('events', workspace, secret, useOf('signature', to, RUNTIME))
      redactor.learn({ workspace: OPERATOR, owner: 'events', version: 1 }, [text])
      return signWebhook(secret, message)
    },
    /** For what leaves to people of a workspace, or to systems of theirs. */
    outgoing: (workspace: string): Pick<Scrubber, 'text' | 'json'> => redactor.of(workspace),
    session: dial.session,
    localSession: dial.localSession,
    drain: dial.drain,
  }

  const keeping = {
    rotate: room.rotate,
    rewrap: (options: Parameters<typeof rewrap>[1]) => rewrap({ db, room, ...fault }, options),
    status: room.status,
    state: room.state,
    signer: createSigner({ room }),
    unlock: room.unlock,
    /** A keyed hash, to tell later whether two texts were the same without keeping them. Faults: VAULT_SEALED. */
    fingerprint: (workspace: string, text: string): Buffer => fingerprint(room.ring(), workspace, Buffer.from(text)),
  }

  return {
    lending,
    keeping,
    verifying: createVerify({ room, sealed, opened, put: (tx, at, fields) => sealWhole(tx, at, fields, null) }),
    check: room.check,
    /** For the graph guard: whether a text holds a secret stored in the workspace. */
    async findStored(workspace: string): Promise<Matcher> {
      const known = matchers.get(workspace)
      if (known && known.until > now()) return known.matcher
      const matcher = sealed.fingerprints(workspace)
      matchers.set(workspace, { matcher, until: now() + FINGERPRINTS_MS })
      matcher.catch(() => matchers.delete(workspace))
      return matcher
    },
    async close() {
      await dial.close()
      sealed.close()
    },
  }
}
export type Vault = ReturnType<typeof createVault>
export type Lending = Vault['lending']
export type Keeping = Vault['keeping']
