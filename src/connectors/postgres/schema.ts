/** Tools that tell what a database holds. Names travel as bind parameters; nothing of the caller's becomes SQL. */
import { fail, tool, z } from '../contract.ts'
import { ddlOf } from './ddl.ts'
import { catalogue, Schema, Table } from './shapes.ts'

const OneTable = z.strictObject({ table: Table, schema: Schema })

const KINDS: Record<string, string> = {
  'BASE TABLE': 'table',
  VIEW: 'view',
  FOREIGN: 'foreign table',
  'LOCAL TEMPORARY': 'temporary table',
}

const nothing = (schema: string, table: string): never =>
  fail('UPSTREAM_NOT_FOUND', `there is no table ${table} in schema ${schema} that this role can see`, {
    hint: 'postgres_list_tables and postgres_list_schemas tell which there are. Names are case-sensitive.',
  })

export const schemas = {
  postgres_list_schemas: tool({
    about: 'Lists the schemas of the database, without the system ones. Start here when a table is not in "public".',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({}),
    output: z.object({ schemas: z.array(z.object({ name: z.string(), owner: z.string() })) }),
    example: {},
    async run(ctx) {
      const { rows } = await catalogue(
        ctx,
        `select nspname::text as name, pg_get_userbyid(nspowner)::text as owner from pg_catalog.pg_namespace
          where nspname !~ '^pg_' and nspname <> 'information_schema' order by 1`,
      )
      return { schemas: rows as { name: string; owner: string }[] }
    },
  }),

  postgres_list_tables: tool({
    about:
      'Lists the tables of a schema that the role may use (views too, with include_views). Use it before you write a query about tables you do not know.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ schema: Schema, include_views: z.boolean().default(false) }),
    output: z.object({ schema: z.string(), tables: z.array(z.object({ name: z.string(), type: z.string() })), truncated: z.boolean() }),
    example: { schema: 'public', include_views: true },
    async run(ctx, { schema, include_views }) {
      const { rows, truncated } = await catalogue(
        ctx,
        `select table_name::text as name, table_type::text as type from information_schema.tables
          where table_schema = $1 and ($2 or table_type <> 'VIEW') order by 1`,
        [schema, include_views],
      )
      return {
        schema,
        tables: rows.map(({ name, type }) => ({ name: String(name), type: KINDS[String(type)] ?? String(type) })),
        truncated,
      }
    },
  }),

  postgres_describe_table: tool({
    about:
      'Tells the columns of a table or view: type, whether NULL is allowed, default, primary key, comment. Use it before you query or change a table.',
    effect: 'read',
    repeatable: true,
    input: OneTable,
    output: z.object({
      schema: z.string(),
      table: z.string(),
      columns: z.array(
        z.object({
          name: z.string(),
          type: z.string(),
          nullable: z.boolean(),
          default: z.string().nullable(),
          primary_key: z.boolean(),
          comment: z.string().nullable(),
        }),
      ),
    }),
    example: { table: 'orders' },
    async run(ctx, { schema, table }) {
      const { rows } = await catalogue(
        ctx,
        `select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type, not a.attnotnull as nullable,
                pg_get_expr(d.adbin, d.adrelid) as default, coalesce(a.attnum = any (p.indkey), false) as primary_key,
                col_description(a.attrelid, a.attnum) as comment
           from pg_catalog.pg_attribute a
           join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'v', 'm', 'f')
           join pg_catalog.pg_namespace n on n.oid = c.relnamespace
           left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
           left join pg_catalog.pg_index p on p.indrelid = c.oid and p.indisprimary
          where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped order by a.attnum`,
        [schema, table],
      )
      if (rows.length === 0) nothing(schema, table)
      return { schema, table, columns: rows as never }
    },
  }),

  postgres_list_indexes: tool({
    about: 'Lists the indexes of a table with their definitions. Use it when a query is slow, together with postgres_explain_query.',
    effect: 'read',
    repeatable: true,
    input: OneTable,
    output: z.object({
      schema: z.string(),
      table: z.string(),
      indexes: z.array(z.object({ name: z.string(), unique: z.boolean(), primary: z.boolean(), definition: z.string() })),
    }),
    example: { table: 'orders' },
    async run(ctx, { schema, table }) {
      const { rows } = await catalogue(
        ctx,
        `select i.relname::text as name, x.indisunique as unique, x.indisprimary as primary, pg_get_indexdef(x.indexrelid) as definition
           from pg_catalog.pg_class c
           join pg_catalog.pg_namespace n on n.oid = c.relnamespace
           left join pg_catalog.pg_index x on x.indrelid = c.oid
           left join pg_catalog.pg_class i on i.oid = x.indexrelid
          where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p', 'm', 'f') order by 1`,
        [schema, table],
      )
      if (rows.length === 0) nothing(schema, table)
      return { schema, table, indexes: rows.filter((row) => row.name !== null) as never }
    },
  }),

  postgres_get_table_ddl: tool({
    about:
      'Writes the CREATE statement of a table or view, with constraints, indexes and comments. Use it to recreate or explain a table; ' +
      'for its columns alone use postgres_describe_table. Triggers, policies and grants are not part of it.',
    effect: 'read',
    repeatable: true,
    input: OneTable,
    output: z.object({ schema: z.string(), table: z.string(), ddl: z.string() }),
    example: { table: 'orders' },
    async run(ctx, { schema, table }) {
      const ddl = await ddlOf((sql) => catalogue(ctx, sql, [schema, table]))
      return { schema, table, ddl: ddl ?? nothing(schema, table) }
    },
  }),
}
