/** The strong room's door. */
export { basic, bearer, type Field, header, type Put, query, type Wire } from './recipe.ts'
export { Secret, secretField } from './secret.ts'
export type { SqlColumn, SqlResult, SqlSession } from './drivers/session.ts'
