import { type ToolContext, tool, z } from '../contract.ts'

/** Records of an answer when the caller names no limit. */
const DEFAULT_RECORDS = 100
/** The driver's own cap. */
const MAX_RECORDS = 10_000
/** Longest that a caller may ask for; the profile's own limit holds besides. */
const MAX_TIMEOUT_S = 600

const Cypher = z.string().min(1).max(100_000)
const Parameters = z
  .record(z.string().min(1).max(200), z.unknown())
  .default({})
  .describe('Values for $name in the statement. Never write values into the text. Numbers without a fraction are whole numbers.')
const Records = z
  .int()
  .min(1)
  .max(MAX_RECORDS)
  .default(DEFAULT_RECORDS)
  .describe('Most records that come back; `truncated` tells whether there were more.')

const Result = z.object({
  columns: z.array(z.string()),
  records: z
    .array(z.record(z.string(), z.unknown()))
    .describe(
      'Nodes are { element_id, labels, properties }, relationships { element_id, type, start, end, properties }, times ISO 8601, whole numbers too large for JSON text.',
    ),
  truncated: z.boolean().describe('Records, bytes or a long value were cut off.'),
})

/** Milliseconds: what the caller asks for, within the profile's `request_timeout_sec`. */
const limits = ({ config }: ToolContext, records: number, seconds = MAX_TIMEOUT_S) => ({
  records,
  timeoutMs: Math.min(seconds, Number(config.request_timeout_sec)) * 1000,
})

export const tools = {
  neo4j_ping: tool({
    about: 'Tells whether the database answers. Use it to check a connection, not before every query.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({}),
    output: z.object({ ok: z.literal(true) }),
    example: {},
    async run(ctx) {
      await ctx.session('neo4j').ask('RETURN 1 AS one', {}, limits(ctx, 1))
      return { ok: true as const }
    },
  }),

  neo4j_schema: tool({
    about:
      'Lists the labels, relationship types and property keys of the graph. Use it before you write Cypher about a graph that you do not know.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({}),
    output: z.object({
      labels: z.array(z.string()),
      relationship_types: z.array(z.string()),
      property_keys: z.array(z.string()),
      truncated: z.boolean(),
    }),
    example: {},
    async run(ctx) {
      const list = async (cypher: string) => {
        const { records, truncated } = await ctx.session('neo4j').ask(cypher, {}, limits(ctx, MAX_RECORDS))
        return { names: records.map(({ name }) => String(name)), truncated }
      }
      const labels = await list('CALL db.labels() YIELD label RETURN label AS name ORDER BY name')
      const types = await list('CALL db.relationshipTypes() YIELD relationshipType RETURN relationshipType AS name ORDER BY name')
      const keys = await list('CALL db.propertyKeys() YIELD propertyKey RETURN propertyKey AS name ORDER BY name')
      return {
        labels: labels.names,
        relationship_types: types.names,
        property_keys: keys.names,
        truncated: labels.truncated || types.truncated || keys.truncated,
      }
    },
  }),

  neo4j_query_read: tool({
    about:
      'Runs one Cypher statement that only reads (MATCH … RETURN …) and returns its records. Put values into parameters as $name, and return the properties you need rather than whole nodes. ' +
      'Not for changing data (neo4j_execute_write). Refused: LOAD CSV, and procedures and functions of plug-ins that no administrator listed.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      cypher: Cypher,
      parameters: Parameters,
      max_records: Records,
      timeout_s: z.int().min(1).max(MAX_TIMEOUT_S).optional().describe('Seconds until it is given up; the profile may allow fewer.'),
    }),
    output: Result,
    example: {
      cypher: 'MATCH (p:Person) WHERE p.name = $name RETURN p.name AS name, p.born AS born',
      parameters: { name: 'Ada' },
      max_records: 10,
    },
    async run(ctx, { cypher, parameters, max_records, timeout_s }) {
      const { counters: _, ...answer } = await ctx.session('neo4j').read(cypher, parameters, limits(ctx, max_records, timeout_s))
      return answer
    },
  }),

  neo4j_execute_write: tool({
    about:
      'Runs one Cypher statement that changes data, indexes or constraints (CREATE, MERGE, SET, DELETE, …) in a transaction of its own, and tells what was changed; it cannot be undone. ' +
      'Prefer MERGE, so that making the same call again adds nothing. Not for reading (neo4j_query_read). ' +
      'Refused: LOAD CSV, CALL … IN TRANSACTIONS, users, roles and databases.',
    effect: 'destroy',
    repeatable: false,
    input: z.strictObject({ cypher: Cypher, parameters: Parameters, max_records: Records }),
    output: Result.extend({ counters: z.record(z.string(), z.int()).describe('nodes_created, properties_set, …: only what is not 0.') }),
    example: { cypher: 'MERGE (p:Person {name: $name}) SET p.born = $born RETURN p.name AS name', parameters: { name: 'Ada', born: 1815 } },
    run: (ctx, { cypher, parameters, max_records }) => ctx.session('neo4j').write(cypher, parameters, limits(ctx, max_records)),
  }),
}
