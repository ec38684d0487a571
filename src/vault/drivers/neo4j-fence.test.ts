import { describe, expect, it } from 'vitest'
import type { Fault } from '../../base/errors.ts'
import { judgeCypher, type Mode } from './neo4j-fence.ts'
import { tokensOf } from './neo4j-lexer.ts'

const code = (mode: Mode, cypher: string, allowed: readonly string[] = []): string => {
  try {
    judgeCypher(mode, cypher, allowed)
    return 'runs'
  } catch (fault) {
    return (fault as Fault).code
  }
}

const READING = [
  'MATCH (n) RETURN n',
  'match (p:Person)-[:KNOWS*1..3]->(q) where p.name = $name return q.name as name order by name skip 1 limit 10;',
  'OPTIONAL MATCH (n) RETURN count(n)',
  'UNWIND $rows AS row RETURN row.id',
  'WITH 1 AS one RETURN one',
  'RETURN \'DELETE; LOAD CSV // */\' AS text, "CREATE \\" (n)" AS other',
  'MATCH (n) WHERE n.`set` = 1 RETURN n.set AS `create`, n.delete',
  'MATCH (n:Create)-[:REMOVE]->(m:`LOAD CSV`) RETURN {delete: 1, set: n.x}',
  'RETURN $set, $`delete`',
  '/* CREATE (n) */ MATCH (n) // DELETE n\nRETURN n',
  'CALL db.labels() YIELD label RETURN label',
  'CALL db.labels',
  'CALL { MATCH (n) RETURN n } RETURN n',
  'MATCH (n) CALL (n) { MATCH (n)-->(m) RETURN m } RETURN m',
  "CALL db.index.fulltext.queryNodes('names', $q) YIELD node, score RETURN node, score",
  'RETURN date.truncate("month", date()), duration.between($a, $b), point.distance($p, $q), vector.similarity.cosine($a, $b)',
  'MATCH (n) WHERE EXISTS { (n)-->() } AND n.x IN [1, 2] RETURN n[0..2], n.list[1..n.end]',
  'MATCH (n) RETURN n.use, n.deny AS `use`',
  'SHOW INDEXES',
  'SHOW VECTOR INDEXES YIELD name',
  'SHOW PROCEDURES',
  'MATCH (größe:Straße {naïve: "日本"}) RETURN größe',
  'MATCH p = shortestPath((a)-[*]-(b)) RETURN nodes(p), [x IN nodes(p) | x.name]',
]

/** Changes data, or reaches further than the data: no read, whatever it looks like. */
const NO_READ = [
  'CREATE (n)',
  'MATCH (n) SET n.x = 1',
  'MATCH (n) set n:Label',
  'MATCH (n) DETACH DELETE n',
  'MATCH (n) DELETE n RETURN 1',
  'MATCH (n) REMOVE n.x',
  'MERGE (n) RETURN n',
  'MATCH (n) FOREACH (x IN [1] | SET n.x = x)',
  'INSERT (n)',
  'RETURN 1 UNION CREATE (n) RETURN 1',
  'CALL { CREATE (n) RETURN n } RETURN n',
  'MATCH (n) CALL (n) { SET n.x = 1 } RETURN n',
  'WITH 1 AS x CREATE (n)',
  'MATCH (n) /* only reading */ SET/**/n.x = 1',
  'MATCH (n) SET // n\n n.x = 1',
  'RETURN [1..2] MERGE (n)',
  'RETURN 1. SET n.x = 1',
  'DROP INDEX x',
  'CREATE INDEX x FOR (n:L) ON (n.x)',
  'CREATE USER evil SET PASSWORD "x"',
  'SHOW USERS',
  'SHOW TRANSACTIONS',
  'SHOW TRANSACTIONS YIELD transactionId AS id TERMINATE TRANSACTIONS id YIELD message RETURN message',
  'SHOW INDEXES YIELD name TERMINATE TRANSACTION "x"',
  'SHOW SETTINGS',
  'SHOW CURRENT USER',
  'ſET x',
  'MATCH (n) WITH n, 1 AS x$ SET n.y = x$',
  'WITH $x$SET AS y SET y.z = 1',
]
/** Neither reading nor writing. */
const NEVER = [
  "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
  "load csv with headers from 'http://169.254.169.254/' as line return line",
  'LOAD /* x */ CSV FROM $url AS line RETURN line',
  'LOAD\n\tCSV FROM $url AS line RETURN line',
  'MATCH (n) LOAD CSV FROM $url AS line RETURN line',
  "RETURN 'x' AS y UNION LOAD CSV FROM $url AS y RETURN y",
  'CALL { LOAD CSV FROM $url AS line RETURN line } RETURN line',
  "WITH 'it\\'s' AS x LOAD CSV FROM $url AS line RETURN line",
  'WITH "a\\\\" AS x LOAD CSV FROM $url AS line RETURN line',
  'LOAD CſV FROM $url AS line RETURN line',
  'LOAD\u00a0CSV FROM $url AS line RETURN line',
  'LOAD\u180eCSV FROM $url AS line RETURN line',
  'LOAD\u200bCSV FROM $url AS line RETURN line',
  "RETURN '\\u0027 LOAD CSV FROM $url AS line RETURN line //'",
  'RETURN 1 // \\u000a LOAD CSV FROM $url AS line',
  'RETURN 1 // \u2028 LOAD CSV FROM $url AS line RETURN line',
  'RETURN 1 /* \\u002a\\u002f */',
  'USING PERIODIC COMMIT LOAD CSV FROM $url AS line CREATE (n)',
  'MATCH (n) USING PERIODIC COMMIT RETURN n',
  'MATCH (n) CALL { WITH n DETACH DELETE n } IN TRANSACTIONS',
  'MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 10 ROWS',
  'MATCH (n) CALL (n) { DETACH DELETE n } in /* x */ 3 concurrent transactions of 10 rows on error continue',
  'MATCH (n) CALL (n) { RETURN 1 AS x } IN $n CONCURRENT TRANSACTIONS RETURN x',
  'MATCH (n) CALL (n) { RETURN 1 AS x } IN$n CONCURRENT TRANSACTIONS RETURN x',
  'CALL apoc.load.json($url) YIELD value RETURN value',
  'CALL apoc . load . json ($url)',
  'CALL /* db.labels() */ apoc.cypher.runWrite("CREATE (n)", {})',
  'CALL `apoc`.`load`.json($url)',
  'CALL `apoc.load.json`($url)',
  'CALL\napoc.export.csv.all("x", {})',
  'OPTIONAL CALL apoc.load.json($url) YIELD value RETURN value',
  'call APOC.load.json($url)',
  'CALL dbms.security.createUser("evil", "x")',
  'CALL dbms.components()',
  'CALL dbms.setConfigValue("x", "y")',
  'CALL dbms.killQueries([])',
  'CALL db.clearQueryCaches()',
  'CALL gds.graph.drop("x")',
  'CALL tx.setMetaData({})',
  'CALL db.labelsx()',
  'CALL DB.LABELS()',
  'RETURN apoc.cypher.runFirstColumnSingle("MATCH (n) RETURN n", {})',
  'MATCH (n) WHERE apoc.util.sleep(1000) IS NULL RETURN n',
  'RETURN [1..apoc.load.x()]',
  'RETURN [x IN [1] | apoc /* */ . load . x (x)]',
  'RETURN `apoc`.`x`(1)',
  'RETURN `apoc.x`(1)',
  'RETURN genai.vector.encode("x", "OpenAI", {})',
  'RETURN 1; MATCH (n) DETACH DELETE n',
  'RETURN 1;; RETURN 2',
  'EXPLAIN CREATE (n)',
  'PROFILE MATCH (n) DELETE n',
  'CYPHER 25 MATCH (n) RETURN n',
  'USE system SHOW USERS',
  'CALL { USE other MATCH (n) RETURN n } RETURN n',
  'CALL () { use /* x */ `other` MATCH (n) RETURN n } RETURN n',
  'RETURN 1 AS x UNION ALL USE fabric.other MATCH (n) RETURN n.x AS x',
  'CALL { USE graph.byName($name) MATCH (n) RETURN n } RETURN n',
  'GRANT ROLE admin TO evil',
  'REVOKE ROLE x FROM y',
  'ALTER CURRENT USER SET PASSWORD FROM "a" TO "b"',
  'CREATE USER evil SET PASSWORD "x"',
  'CREATE OR REPLACE USER evil SET PASSWORD "x"',
  'create /* */ database evil',
  'CREATE COMPOSITE DATABASE x',
  'CREATE ROLE evil',
  'CREATE ALIAS x FOR DATABASE y',
  'DROP DATABASE neo4j',
  'DROP USER x',
  'STOP DATABASE neo4j',
  'START DATABASE neo4j',
  'TERMINATE TRANSACTIONS "x"',
  'ENABLE SERVER "x"',
  'DEALLOCATE DATABASES FROM SERVER "x"',
  'RENAME USER a TO b',
]

describe('[db.read-only-holds] Cypher that reads', () => {
  it.each(READING)('may be: %s', (cypher) => expect(code('read', cypher)).toBe('runs'))
  it.each([...NO_READ, ...NEVER])('may not be: %j', (cypher) => expect(code('read', cypher)).toBe('TOOL_REFUSED'))
})

describe('[db.write-one-statement] Cypher that writes', () => {
  it.each([
    ...READING.filter((cypher) => !cypher.startsWith('SHOW')),
    'CREATE (n:User {name: $name}) RETURN n',
    'CREATE (u:Person)-[:ROLE]->(d:Database)',
    'MERGE (n:L {id: $id}) ON CREATE SET n.x = 1 ON MATCH SET n.y = 2',
    'MATCH (n) DETACH DELETE n',
    'FOREACH (x IN $list | CREATE (:L {x: x}))',
    'CREATE INDEX names IF NOT EXISTS FOR (n:Person) ON (n.name)',
    'CREATE CONSTRAINT FOR (n:Person) REQUIRE n.id IS UNIQUE',
    'CREATE VECTOR INDEX v FOR (n:L) ON (n.e) OPTIONS {}',
    'DROP INDEX names IF EXISTS',
    'DROP CONSTRAINT x',
    "CALL db.create.setNodeVectorProperty(n, 'e', $v)",
  ])('may be: %s', (cypher) => expect(code('write', cypher)).toBe('runs'))
  it.each(NEVER)('may not be: %j', (cypher) => expect(code('write', cypher)).toBe('TOOL_REFUSED'))
})

describe('the fence', () => {
  it('lets pass what an administrator listed, and no more', () => {
    const listed = ['apoc.coll.sum', 'gds.*']
    expect(code('read', 'RETURN apoc.coll.sum([1])', listed)).toBe('runs')
    expect(code('read', 'CALL gds.pageRank.stream("g")', listed)).toBe('runs')
    expect(code('read', 'RETURN gds.util.asNode(1)', listed)).toBe('runs')
    expect(code('read', 'RETURN apoc.coll.summary([1])', listed)).toBe('TOOL_REFUSED')
    expect(code('read', 'RETURN apoc.coll.max([1])', listed)).toBe('TOOL_REFUSED')
    expect(code('read', 'CALL gdsx.y()', listed)).toBe('TOOL_REFUSED')
  })

  it('says what is not well-formed', () => {
    for (const cypher of ['', ' ; ', '// x']) expect(code('read', cypher), cypher).toBe('UPSTREAM_INVALID')
    for (const cypher of ["RETURN 'x", 'RETURN `x', 'RETURN 1 /* x', '/*/']) expect(code('read', cypher), cypher).toBe('UPSTREAM_INVALID')
    for (const cypher of ['RETURN 1\0', "RETURN '\ud800'", `RETURN 1${' '.repeat(100_000)}`])
      expect(code('read', cypher)).toBe('INVALID_INPUT')
  })

  it('cuts a statement where the server does', () => {
    const shown = (cypher: string) =>
      tokensOf(cypher).map(({ kind, text }) => (kind === 'quoted' ? `«${text}»` : kind === 'string' ? "''" : text))
    expect(shown("RETURN 'a''b' + \"c\\\"d\"")).toEqual(['RETURN', "''", "''", '+', "''"])
    expect(shown('`a``b`.c/* ` */d // `\re')).toEqual(['«a`b»', '.', 'c', 'd', 'e'])
    expect(shown('n.größe_1$x')).toEqual(['n', '.', 'größe_1', '$x'])
    expect(shown('1.5e3')).toEqual(['1', '.', '5', 'e3'])
  })
})
