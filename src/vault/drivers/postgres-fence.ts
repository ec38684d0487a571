/**
 * What a statement may be, judged on PostgreSQL's own parse tree. Pure: tree in, verdict out. The parser runs in a thread of its
 * own (postgres-parser.ts). This is the fence; the wall is the read-only transaction and the privileges of the role.
 */
import { functionRefused } from './postgres-functions.ts'

export type Mode = 'read' | 'write'
export type Verdict = { ok: true } | { ok: false; why: string }

/** Statements that only read. `TABLE x` and `VALUES` are SelectStmts to the parser. */
const READS = new Set(['SelectStmt', 'VariableShowStmt', 'ExplainStmt'])

/** One statement of data or schema work. What is not here is refused: COPY, DO, SET, transactions, sessions, roles, servers, files. */
const WRITES = new Set(
  (
    'SelectStmt InsertStmt UpdateStmt DeleteStmt MergeStmt CallStmt TruncateStmt ' +
    'CreateStmt CreateTableAsStmt AlterTableStmt RenameStmt DropStmt CommentStmt IndexStmt ReindexStmt ViewStmt RefreshMatViewStmt ' +
    'CreateSchemaStmt CreateSeqStmt AlterSeqStmt CreateEnumStmt AlterEnumStmt CompositeTypeStmt CreateRangeStmt CreateDomainStmt ' +
    'AlterDomainStmt CreateFunctionStmt AlterFunctionStmt CreateTrigStmt RuleStmt CreatePolicyStmt AlterPolicyStmt GrantStmt ' +
    'CreateStatsStmt AlterStatsStmt VacuumStmt ExplainStmt VariableShowStmt'
  ).split(' '),
)

/** EXPLAIN options that only change how the plan is shown. ANALYZE and what needs it run the statement. */
const SHOWING = new Set(['verbose', 'costs', 'settings', 'generic_plan', 'buffers', 'summary', 'memory', 'format'])

/** Parts of a tree that change data or take locks, wherever they stand (a CTE, a subquery). */
const CHANGING = new Set(['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt', 'CopyStmt'])

type Tree = Record<string, unknown>

/** `tree` is what libpg-query answers: `{ stmts: [{ stmt: { SelectStmt: {…} } }] }`. */
export function judge(tree: { stmts?: { stmt?: Tree }[] }, mode: Mode): Verdict {
  const statements = (tree.stmts ?? []).map((s) => s.stmt ?? {})
  if (statements.length === 0) return no('there is no statement in it')
  if (statements.length > 1) return no('it holds more than one statement; send them one by one')
  const statement = statements[0]!
  const kind = Object.keys(statement)[0] ?? ''
  if (mode === 'write') return WRITES.has(kind) ? walk(statement, mode) : no(`${words(kind)} is not a statement that this tool runs`)
  if (!READS.has(kind)) return no(`it is ${words(kind)}, and only SELECT, VALUES, TABLE, SHOW and EXPLAIN read`)
  if (kind === 'ExplainStmt') {
    const explain = statement[kind] as { query?: Tree; options?: { DefElem?: { defname?: string } }[] }
    const option = (explain.options ?? []).map((o) => o.DefElem?.defname ?? '').find((name) => !SHOWING.has(name))
    if (option !== undefined) return no(`EXPLAIN with ${option.toUpperCase()} is not allowed here`)
    const inner = Object.keys(explain.query ?? {})[0] ?? ''
    if (inner !== 'SelectStmt') return no(`it explains ${words(inner)}, and only queries are explained here`)
  }
  return walk(statement, mode)
}

/** Every node of the tree, without recursion: a tree is as deep as somebody likes. */
function walk(root: Tree, mode: Mode): Verdict {
  const left: unknown[] = [root]
  for (let node = left.pop(); node !== undefined; node = left.pop()) {
    if (typeof node !== 'object' || node === null) continue
    if (Array.isArray(node)) {
      for (const item of node) left.push(item)
      continue
    }
    const why = refusal(node as Tree, mode)
    if (why) return no(why)
    for (const key in node) left.push((node as Tree)[key])
  }
  return { ok: true }
}

function refusal(node: Tree, mode: Mode): string | undefined {
  for (const field of ['funcname', 'indirection']) {
    // `('/etc/passwd'::text).pg_read_file` is a function call too: attribute notation on an expression.
    if (field === 'indirection' && !('arg' in node)) continue
    const path = strings(node[field])
    if (path.length > 0 && functionRefused(path, mode)) return `the function ${path.at(-1)} is not allowed here`
  }
  if (mode === 'write') return undefined
  for (const key in node) {
    if (CHANGING.has(key)) return `it holds ${words(key)}`
    if (key === 'intoClause') return 'SELECT INTO makes a table'
    if (key === 'lockingClause') return 'FOR UPDATE and FOR SHARE take locks'
  }
  return undefined
}

const strings = (list: unknown): string[] =>
  Array.isArray(list)
    ? list.flatMap((item) => {
        const text = (item as { String?: { sval?: unknown } } | null)?.String?.sval
        return typeof text === 'string' ? [text] : []
      })
    : []

const no = (why: string): Verdict => ({ ok: false, why })

/** `CreateTableAsStmt` → `CREATE TABLE AS`. */
const words = (kind: string): string =>
  kind === 'DoStmt'
    ? 'DO'
    : kind
        .replace(/Stmt$/, '')
        .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
        .toUpperCase() || 'nothing'
