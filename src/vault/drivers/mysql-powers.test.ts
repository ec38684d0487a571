import { describe, expect, it } from 'vitest'
import { dangerousPowers, parseGrants } from './mysql-powers.ts'

/** Lines as the manuals print them: https://dev.mysql.com/doc/refman/8.4/en/show-grants.html, https://mariadb.com/kb/en/show-grants/ */
describe('[db.superuser-refused] what SHOW GRANTS says', () => {
  it.each([
    ['GRANT USAGE ON *.* TO `app`@`%`', []],
    ["GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*8AE7A17045F678669B10A036D8B5A6A6AB6D8B2C'", []],
    ['GRANT SELECT, INSERT, UPDATE, DELETE ON `shop`.* TO `app`@`%`', []],
    ['GRANT ALL PRIVILEGES ON `shop`.* TO `app`@`%` WITH GRANT OPTION', []],
    ['GRANT SELECT (`id`, `name`), UPDATE (`name`) ON `shop`.`orders` TO `app`@`localhost`', []],
    ['GRANT `reader`@`%` TO `app`@`%`', []],
    ['GRANT PROXY ON ``@`` TO `root`@`localhost` WITH GRANT OPTION', []],
    ['GRANT EXECUTE ON PROCEDURE `shop`.`file` TO `app`@`%`', []],
    ['GRANT PROCESS, REPLICATION CLIENT ON *.* TO `app`@`%`', []],
    ['GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION', ['ALL PRIVILEGES', 'GRANT OPTION']],
    ['GRANT SELECT, RELOAD, SHUTDOWN, PROCESS, FILE, CREATE USER ON *.* TO `a`@`%`', ['CREATE USER', 'FILE', 'SHUTDOWN']],
    [
      'GRANT BACKUP_ADMIN,CONNECTION_ADMIN,SYSTEM_VARIABLES_ADMIN,SET_ANY_DEFINER ON *.* TO `a`@`%`',
      ['BACKUP_ADMIN', 'CONNECTION_ADMIN', 'SET_ANY_DEFINER', 'SYSTEM_VARIABLES_ADMIN'],
    ],
    ['GRANT SELECT, INSERT ON `mysql`.* TO `a`@`%`', ['INSERT on mysql.*']],
    ['GRANT UPDATE (`authentication_string`) ON `mysql`.`user` TO `a`@`%`', ['UPDATE on mysql.user']],
    ['GRANT SELECT ON `mysqlish`.* TO `a`@`%`', []],
    ['GRANT INSERT ON `mysqlish`.* TO `a`@`%`', []],
    ['GRANT SELECT ON *.* TO `a`@`%` REQUIRE SSL WITH GRANT OPTION MAX_USER_CONNECTIONS 5', ['GRANT OPTION']],
  ])('%s', (line, powers) => expect(dangerousPowers([line])).toEqual(powers))

  it('is told by database and table, quoted as they are', () => {
    expect(parseGrants(['GRANT SELECT ON `a b`.`c``d` TO `x`@`%`'])).toEqual([{ privileges: ['SELECT'], on: 'a b.cd' }])
  })
})
