/** What a connector with the MongoDB wire gets. Documents go in and come out as Extended JSON. */

export interface MongoLimits {
  /** Most documents that come back. */
  rows: number
  /** Milliseconds until the server is told to stop. */
  timeoutMs: number
}

export interface MongoDocuments {
  /** Relaxed Extended JSON, as plain values. A 64-bit integer that JSON cannot hold is `{"$numberLong": "…"}`. */
  documents: Record<string, unknown>[]
  /** True when documents, bytes or a long value were cut off at a cap. */
  truncated: boolean
}

export interface MongoAccount {
  /** null: the server asks nobody to sign in. */
  user: string | null
  database: string
  /** `readWrite@shop`. */
  roles: string[]
  /** Of find, insert, update and remove, those that the credential may do on some collection of the database. null: not told. */
  grants: string[] | null
  /** What the credential can do besides working with documents; empty for an ordinary user. */
  powers: string[]
  /** Roles that reach every database of the deployment. */
  everywhere: string[]
  tls: boolean
  loopback: boolean
}

/**
 * Every text is Extended JSON and judged before anything is sent. Errors come as Faults whose text holds no connection string,
 * password or value of a document.
 */
export interface MongoSession {
  find(
    collection: string,
    ask: { filter?: string | undefined; projection?: string | undefined; sort?: string | undefined; skip?: number | undefined },
    limits: MongoLimits,
  ): Promise<MongoDocuments>
  findOne(
    collection: string,
    ask: { filter?: string | undefined; projection?: string | undefined },
    limits: MongoLimits,
  ): Promise<{ document: Record<string, unknown> | null; truncated: boolean }>
  count(collection: string, filter: string | undefined, limits: MongoLimits): Promise<{ count: number }>
  aggregate(collection: string, pipeline: string, limits: MongoLimits): Promise<MongoDocuments>
  insertOne(collection: string, document: string, limits: MongoLimits): Promise<{ inserted_id: unknown }>
  updateOne(collection: string, filter: string, update: string, upsert: boolean, limits: MongoLimits): Promise<MongoUpdated>
  updateMany(collection: string, filter: string, update: string, upsert: boolean, limits: MongoLimits): Promise<MongoUpdated>
  deleteOne(collection: string, filter: string, limits: MongoLimits): Promise<{ deleted_count: number }>
  deleteMany(collection: string, filter: string, limits: MongoLimits): Promise<{ deleted_count: number }>
  /** Who the credential is and what it may do; not refused for its powers. */
  whoami(limits: MongoLimits): Promise<MongoAccount>
}

export interface MongoUpdated {
  matched_count: number
  modified_count: number
  /** The `_id` of the document that an upsert made. */
  upserted_id: unknown
}
