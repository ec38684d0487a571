/**
 * The MongoDB driver of the strong room: one client for each credential version, with its own pool. Reading is fenced by what may be
 * said (mongodb-fence.ts); every socket goes where the egress guard allows (mongodb-sockets.ts); the user's roles are the wall behind.
 */
import { createHash } from 'node:crypto'
import { type Db, MongoClient } from 'mongodb'
import { Fault } from '../../base/errors.ts'
import { MAX_ROWS, MAX_TIMEOUT_MS } from './caps.ts'
import type { Driver, DriverDeps, Use } from './driver.ts'
import { mongoFault, timedOut } from './mongodb-errors.ts'
import { type Client, clientOptions, settingsOf } from './mongodb-client.ts'
import { documentOf, filterOf, judgeCollection, pipelineOf, projectionOf, sortOf, updateOf } from './mongodb-fence.ts'
import { type Known, POWERS_TTL_MS, whoIs } from './mongodb-powers.ts'
import type { MongoLimits, MongoSession } from './mongodb-session.ts'
import { resolveMongoUri } from './mongodb-srv.ts'
import { secretPartsOf } from './mongodb-uri.ts'
import { collect, toPlain } from './mongodb-values.ts'

/** A client watches its servers as long as it lives, so an unused one is closed. */
const IDLE_MS = 60_000
/** Clients of other credentials are closed, the longest unused first, beyond this many. */
const MAX_CLIENTS = 200
/** Our own clock strikes this much after the server's, so that the server's own word comes first. */
const GRACE_MS = 1000
/** Documents of one batch: more would come over the wire only to be thrown away at the cap of bytes. */
const BATCH = 100
