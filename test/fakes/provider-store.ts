/** What one fake provider remembers. oidc-provider's own memory is for one server of a thousand tokens; tests run several of many more. */
import type { Adapter, AdapterPayload } from 'oidc-provider'

/** Models whose rows die with their grant. */
const OF_GRANT = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken'])
const TOKENS = ['AccessToken', 'RefreshToken', 'ClientCredentials']

const nowS = () => Math.floor(Date.now() / 1000)

export class Store {
  private readonly models = new Map<string, Map<string, AdapterPayload>>()
  /** Grant → what was issued under it. */
  private readonly issued = new Map<string, { model: string; id: string }[]>()
  private readonly sessionsByUid = new Map<string, string>()

  rows(model: string): Map<string, AdapterPayload> {
    const rows = this.models.get(model) ?? new Map<string, AdapterPayload>()
    this.models.set(model, rows)
    return rows
  }

  readonly adapter = (model: string): Adapter => {
    const rows = this.rows(model)
    return {
      upsert: async (id, payload) => {
        rows.set(id, payload)
        if (model === 'Session' && payload.uid) this.sessionsByUid.set(payload.uid, id)
        if (OF_GRANT.has(model) && payload.grantId) this.of(payload.grantId).push({ model, id })
      },
      find: async (id) => rows.get(id),
      findByUid: async (uid) => rows.get(this.sessionsByUid.get(uid) ?? ''),
      findByUserCode: async () => undefined,
      consume: async (id) => {
        const row = rows.get(id)
        if (row) row.consumed = nowS()
      },
      destroy: async (id) => void rows.delete(id),
      revokeByGrantId: async (grantId) => this.forget(grantId),
    }
  }

  private of(grantId: string): { model: string; id: string }[] {
    const list = this.issued.get(grantId) ?? []
    this.issued.set(grantId, list)
    return list
  }
  private forget(grantId: string): void {
    for (const { model, id } of this.of(grantId)) this.rows(model).delete(id)
    this.issued.delete(grantId)
  }

  /** A token that would be accepted now: not spent, not expired, not revoked, and its grant still stands. */
  live(token: string): AdapterPayload | null {
    const row = this.find(token)
    if (!row || row.consumed || (row.exp ?? 0) <= nowS()) return null
    return row.grantId && !this.rows('Grant').has(row.grantId) ? null : row
  }
  private find(token: string): AdapterPayload | undefined {
    return TOKENS.map((model) => this.rows(model).get(token)).find(Boolean)
  }

  liveRefreshTokens(account: string): number {
    return [...this.rows('RefreshToken')].filter(([token, row]) => row.accountId === account && this.live(token)).length
  }

  revokeAll(account: string): void {
    for (const [id, grant] of this.rows('Grant')) {
      if (grant.accountId !== account) continue
      this.forget(id)
      this.rows('Grant').delete(id)
    }
  }

  expire(token: string): void {
    const row = this.find(token)
    if (!row) throw new Error('the fake provider does not know this token')
    row.exp = nowS() - 1
  }
}
