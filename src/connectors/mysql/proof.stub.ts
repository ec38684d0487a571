import type { Proofs } from '../../../test/proof.ts'

/** What MariaDB cannot prove of MySQL is listed at the head of vault/drivers/mysql.ts. */
export default { mysql: { against: [{ what: 'MariaDB 10.11 (Debian)', by: 'kin server' }], contracts: [] } } satisfies Proofs
