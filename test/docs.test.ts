/** The papers are held to the code: examples compile and load, tables are the tables, links and commands lead somewhere. */
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { parseSync } from 'oxc-parser'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { againstText, connectorPage, connectorsIndex } from './pages.ts'
import { loadProofs } from './proof.ts'
import acmeMail from '../docs/examples/acme-mail/index.ts'
import { flagTable } from '../src/config.ts'
import { faultsOf, loadShelf } from '../src/connectors/load.ts'
import { createCommands } from '../src/faces/cli-commands.ts'
import { EXTRAS } from '../src/faces/cli-extras.ts'
import { operations, scopesOf } from '../src/operations/index.ts'
import { toolContext } from './fakes/context.ts'
import { PROMISES } from './promises.ts'

const root = resolve(import.meta.dirname, '..')
const text = (file: string) => readFileSync(join(root, file), 'utf8')
const below = (folder: string, end: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((e) => e.isFile() && e.name.endsWith(end))
    .map((e) => join(e.parentPath, e.name).slice(root.length + 1))
const papers = [...readdirSync(root).filter((f) => f.endsWith('.md')), ...below('docs', '.md'), ...below('src', '.md')]

/** Cells of the tables of a paper, row by row, without head and rule. */
const tableRows = (markdown: string): string[][] =>
  [...markdown.matchAll(/^\|(.*)\|$/gm)]
    .map(([, row = '']) => row.split('|').map((cell) => cell.trim()))
    .filter((cells, i, all) => !cells.every((c) => /^-+$/.test(c)) && !all[i + 1]?.every((c) => /^-+$/.test(c)))
const section = (markdown: string, title: string): string => markdown.split(/^## /m).find((s) => s.startsWith(title)) ?? ''
/** `<data-dir>` would be taken for a tag of HTML. */
const escaped = (words: string) => words.replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** Routes below /v1 whose answer is no JSON object. */
const NOT_OPERATIONS = ['GET /v1/stream']

describe('the example connector', () => {
  it('is what CONTRIBUTING shows, seen from its own folder', () => {
    const shown = /^```ts\n(.*?)^```$/ms.exec(text('CONTRIBUTING.md'))?.[1]
    expect(shown?.replace("'../contract.ts'", "'../../../src/connectors/contract.ts'")).toBe(text('docs/examples/acme-mail/index.ts'))
  })

  it('would be taken by the loader', () => {
    expect(faultsOf('acme-mail', acmeMail)).toEqual([])
  })

  it('works against an Acme that keeps to its documentation', async () => {
    const key = 'am_0123456789abcdefghij'
    const heard: { url: string; authorization: string; once: string }[] = []
    const acme = createServer((req, res) => {
      heard.push({
        url: `${req.method} ${req.url}`,
        authorization: req.headers.authorization ?? '',
        once: String(req.headers['idempotency-key'] ?? ''),
      })
      res.setHeader('content-type', 'application/json')
      res.end(JSON.stringify(req.method === 'POST' ? { id: 'mail_1' } : { id: 'u1', email: 'ada@example.com', scopes: ['mail.send'] }))
    }).listen(0, '127.0.0.1')
    await once(acme, 'listening')
    try {
      const { port } = acme.address() as AddressInfo
      const ctx = toolContext(acmeMail, { credentials: { api_key: key }, config: { api_base: `http://127.0.0.1:${port}` } })
      expect(await acmeMail.auth.check(ctx)).toEqual({ account: { id: 'u1', label: 'ada@example.com' }, granted_scopes: ['mail.send'] })
      const mail = acmeMail.tools.send_mail!
      expect(await mail.run(ctx, mail.input.parse(mail.example) as never)).toEqual({ id: 'mail_1' })
      expect(heard).toEqual([
        { url: 'GET /v1/me', authorization: `Bearer ${key}`, once: '' },
        { url: 'POST /v1/mails', authorization: `Bearer ${key}`, once: ctx.key },
      ])
    } finally {
      acme.close()
    }
  })
})

describe('tables', () => {
  it('README has every flag with its words', () => {
    const shown = tableRows(section(text('README.md'), 'Settings'))
    expect(shown).toEqual(flagTable().map((f) => [`\`${f.flag}\``, `\`${f.env}\``, escaped(f.about)]))
  })

  it('README says of every connector what it was tested against', async () => {
    const proofs = await loadProofs()
    const shown = tableRows(section(text('README.md'), 'Connectors'))
    expect(shown).toEqual([...(await loadShelf()).connectors.keys()].map((slug) => [`\`${slug}\``, againstText(proofs.get(slug))]))
  })

  it('ARCHITECTURE has the arrows that are tested', () => {
    const tested = [...text('test/architecture.test.ts').matchAll(/^ {2}'?([\w.]+)'?: \[(.*)\],$/gm)].map(([, room, list = '']) => [
      `\`${room}\``,
      [...list.matchAll(/'([^']+)'/g)].map(([, to]) => `\`${to}\``).join(', ') || 'nothing',
    ])
    expect(tested.length).toBeGreaterThan(10)
    expect(tableRows(section(text('ARCHITECTURE.md'), 'Arrows'))).toEqual(tested)
  })

  it('SECURITY names promises that are made', () => {
    const named = [...section(text('SECURITY.md'), 'Promises').matchAll(/`([a-z-]+\.[a-z-]+)`/g)].map(([, id = '']) => id)
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter((id) => !Object.hasOwn(PROMISES, id) && id !== 'promises.ts')).toEqual([])
  })

  // Written by the test itself: `npm test -- test/docs.test.ts -u` after a connector has changed.
  it('docs/connectors.md, and the page of each, are read off the connectors and what their folders prove', async () => {
    const shelf = await loadShelf()
    const proofs = await loadProofs()
    await expect(connectorsIndex(shelf, proofs)).toMatchFileSnapshot('../docs/connectors.md')
    for (const c of shelf.connectors.values())
      await expect(connectorPage(c, proofs.get(c.slug))).toMatchFileSnapshot(`../docs/connectors/${c.slug}.md`)
    expect(readdirSync(join(root, 'docs/connectors')).sort()).toEqual([...shelf.connectors.keys()].map((slug) => `${slug}.md`).sort())
  })

  // The same after an operation has changed.
  it('[access.permissions] docs/permissions.md is read off the operations', async () => {
    await expect(permissionsPage()).toMatchFileSnapshot('../docs/permissions.md')
  })
})

describe('links and commands', () => {
  it.each(papers)('every relative link of %s leads somewhere', (paper) => {
    const links = [...text(paper).matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = '']) => to).filter((to) => !/^(https?:|#|mailto:)/.test(to))
    expect(links.filter((to) => !existsSync(join(root, dirname(paper), to.split('#')[0] ?? '')))).toEqual([])
  })

  it('every npm script that is named exists, and every path behind it', () => {
    const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> }
    const wrong: string[] = []
    for (const paper of papers)
      for (const [all, run, name = '', rest = ''] of text(paper).matchAll(/\bnpm (run )?([a-z-]+)((?: -- [^`\n]*)?)/g)) {
        const known = run ? name in scripts : ['start', 'test'].includes(name) || /^(ci|install)$/.test(name)
        const paths = name === 'test' ? rest.split(/\s+/).filter((w) => w.includes('/')) : []
        if (!known || paths.some((p) => !existsSync(join(root, p)))) wrong.push(`${paper}: ${all}`)
      }
    expect(wrong).toEqual([])
  })

  it('every command of the command line that is named exists', () => {
    const commands = createCommands(operations)
    const wrong: string[] = []
    for (const paper of papers)
      for (const [all, noun = '', verb = ''] of text(paper).matchAll(/\bagentruntime(?:\.mjs)? ([a-z][a-z-]*)(?: ([a-z][a-z-]+))?/g)) {
        const extra = EXTRAS.some((e) => e.noun === noun && (e.verb === '' || e.verb === verb))
        if (noun !== 'help' && !extra && (!commands.nouns.includes(noun) || !commands.verbs(noun).includes(verb)))
          wrong.push(`${paper}: ${all}`)
      }
    // There the name begins texts that are authenticated.
    expect(wrong.filter((w) => !w.startsWith('docs/format-v1.md'))).toEqual([])
  })

  it('every route that is named exists', () => {
    const known = [...operations.map((op) => op.http), ...NOT_OPERATIONS]
    const routes = known.map((http) => new RegExp(`^${http.replaceAll(/\{\w+\}/g, '[^/ ]+')}$`))
    const wrong: string[] = []
    for (const paper of papers)
      for (const [, method, path = ''] of text(paper).matchAll(/\b(GET|POST|PATCH|PUT|DELETE) (\/v1\/[\w/{}.-]+)/g))
        if (!routes.some((r) => r.test(`${method} ${path}`))) wrong.push(`${paper}: ${method} ${path}`)
    expect(wrong).toEqual([])
  })

  it('every file of the code that is named exists', () => {
    const wrong: string[] = []
    for (const paper of papers)
      for (const [, path = ''] of text(paper).matchAll(/`((?:src|test|docs|migrations|scripts)\/[\w./-]+\.\w+)`/g))
        if (!/acme-mail|NNNN/.test(path) && !existsSync(join(root, path))) wrong.push(`${paper}: ${path}`)
    expect(wrong).toEqual([])
  })
})

describe('words', () => {
  const avoided = tableRows(text('GLOSSARY.md')).flatMap(([, , not = '']) => not.split(', ').filter(Boolean))
  /** Words that mean something else where they stand. */
  const FINE = new Set([
    'APP_ROLE', // a role of PostgreSQL
    'Job', // what a child process is sent
    // RFC 6749 §3, RFC 7009, OpenID Connect: addresses of a provider, called as they call them.
    'authorization_endpoint',
    'token_endpoint',
    'revocation_endpoint',
    'userinfo_endpoint',
    'Endpoints',
  ])
  const wordsOf = (name: string): string[] =>
    name
      .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
      .toLowerCase()
      .split(/[^a-z]+/)
  const bad = (words: readonly string[]): string[] =>
    avoided.filter((word) => word.split(' ').every((part) => words.includes(part) || words.includes(`${part}s`)))

  it('none to avoid is in the name of an operation, a route, a field or an event', () => {
    expect(avoided.length).toBeGreaterThan(15)
    const wrong = operations.flatMap((op) => {
      const shapes = JSON.stringify([
        z.toJSONSchema(op.input, { unrepresentable: 'any', io: 'input' }),
        z.toJSONSchema(op.output, { unrepresentable: 'any', io: 'input' }),
      ])
      const fields = [...shapes.matchAll(/"([a-z_]+)":/g)].map(([, name = '']) => name)
      const names = [op.name, op.http, ...fields].filter((name) => !FINE.has(name))
      return names.flatMap((name) => bad(wordsOf(name)).map((word) => `${op.name}: ${name} (${word})`))
    })
    expect([...new Set(wrong)]).toEqual([])
  })

  it('none to avoid is in a sentence that an operation says of itself', () => {
    expect(operations.flatMap((op) => bad(wordsOf(op.about)).map((word) => `${op.name}: ${word}`))).toEqual([])
  })

  it('none to avoid is in a name that a file exports', () => {
    const wrong: string[] = []
    // Connectors speak their vendors' language.
    for (const file of below('src', '.ts').filter((f) => !f.endsWith('.test.ts') && !/^src\/connectors\/.+\//.test(f))) {
      const { module } = parseSync(file, text(file))
      for (const { exportName } of module.staticExports.flatMap((e) => e.entries)) {
        const name = exportName.name ?? ''
        if (!FINE.has(name)) wrong.push(...bad(wordsOf(name)).map((word) => `${file}: ${name} (${word})`))
      }
    }
    expect(wrong).toEqual([])
  })
})

function permissionsPage(): string {
  const who = { anyone: 'everybody', session: 'people who have signed in', token: 'people and tokens' }
  const rows = operations.map((op) =>
    [
      `\`${op.name}\``,
      `\`${op.http}\``,
      who[op.by ?? 'token'],
      op.by === 'anyone'
        ? ''
        : scopesOf(op)
            .map((it) => `\`${it}\``)
            .join(', '),
      op.by === 'anyone' ? '' : `\`${op.role}\``,
    ].join(' | '),
  )
  return `# Permissions

Who may ask for what, read off the operations themselves; the walk \`test/walks/matrix.test.ts\` asks for each of them as everybody. A token needs the
scope *and* its owner the role; a session has every scope, so that the role decides. Of the roles each has the say of those before it:
\`project_viewer\`, \`project_contributor\`, \`project_admin\`, and in every project of a workspace \`workspace_admin\` and \`workspace_owner\`. What is outside of
the caller's workspace or project is answered like what is not there.

| operation | route | for | scope | role |
| --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row} |`.replaceAll('|  |', '| |').replaceAll('|  |', '| |')).join('\n')}

Finer than this table: with a role that lets them in, people see and end their own tokens, and admins of the project those of everybody; an owner's
say in a workspace is given, taken and touched by owners; the last owner stays; admins of a project give roles in that project only.
`
}
