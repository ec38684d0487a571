import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { parseDraft, parseGraph } from './graph.ts'
import { CHECKS, type InstanceFacts, instanceOf, instancesNamed, type Lookups, validate } from './validate.ts'

const mailArgs = z.object({
  to: z.email(),
  subject: z.string().max(20),
  limit: z.int().min(1).max(100).optional(),
  tags: z.array(z.object({ name: z.string() })).optional(),
  mode: z.enum(['fast', 'slow']).optional(),
  target: z.union([z.object({ id: z.number() }), z.string().regex(/^@/)]).optional(),
})

const mail = (over: Partial<InstanceFacts> = {}): InstanceFacts => ({
  id: 'inst_mail',
  connector: {
    slug: 'mail',
    tools: {
      send_email: { input: mailArgs, scopes: ['mail.send'] },
      archive: { input: z.object({ id: z.number() }), scopes: [['mail.modify', 'mail.all'], 'mail.read'] },
      strict: { input: z.strictObject({ a: z.string(), nested: z.strictObject({ b: z.number() }).optional() }), scopes: [] },
      loose: { input: z.looseObject({ a: z.string().optional() }), scopes: [] },
      refined: {
        input: z.object({ from: z.number(), to: z.number() }).refine((r) => r.from < r.to, 'from must be less than to'),
        scopes: [],
      },
      piped: { input: z.object({ day: z.string().transform((s) => new URL(s).host) }).transform((o) => o.day), scopes: [] },
    },
  },
  hasProfile: true,
  needsConnection: true,
  connection: { id: 'conn_1', status: 'active', granted_scopes: ['mail.send'] },
  ...over,
})

const lookups = (instance: InstanceFacts = mail()): Lookups => ({
  instances: new Map([[instance.id, instance]]),
  byServerUrl: new Map([['https://mail.example.com/mcp', instance]]),
})
const good = { to: 'a@example.com', subject: 'Hi' }
const step = (id: string, more: Record<string, unknown> = {}) => ({
  id,
  type: 'mcp_call',
  instance_id: 'inst_mail',
  tool_name: 'send_email',
  tool_args: good,
  ...more,
})
const check = (steps: unknown[], facts = lookups()) => validate(parseDraft({ steps }), facts)
const found = (steps: unknown[], facts = lookups()) => check(steps, facts).issues.map(({ code, path }) => [code, path])
const args = (tool_args: unknown, tool_name = 'send_email') =>
  check([step('a', { tool_args, tool_name })]).issues.map((i) => [i.path, i.message])

describe('validate', () => {
  it('finds nothing in a good graph, and says what it looked at', () => {
    const answer = check([step('a'), step('b', { depends_on: ['a'], tool_args: { ...good, subject: '{{steps.a.result.id}}' } })])
    expect(answer).toEqual({ valid: true, checks_performed: [...CHECKS], issues: [] })
    expect(validate(parseGraph({ steps: [step('a')] }), lookups()).valid).toBe(true)
  })

  it('tells about everything at once, in the order of the steps, and goes on with what can be read', () => {
    const answer = check([
      step('a', { tool_name: 'send_mail', surprise: 1 }),
      step('b', { depends_on: ['a', 'zz'], tool_args: { ...good, subject: '{{steps.a.result.x}}' } }),
      { id: 'c', type: 'lua_script', script: '' },
      step('d', { depends_on: ['c'], instance_id: 'inst_x' }),
    ])
    expect(answer.valid).toBe(false)
    expect(answer.issues.map(({ step_id, code }) => [step_id, code])).toEqual([
      ['a', 'unknown_field'],
      ['b', 'unknown_dependency'],
      ['c', 'unsupported_step_type'],
      ['d', 'missing_instance'],
    ])
    expect(found([])).toEqual([['empty_graph', 'steps']])
    expect(found([step('a', { depends_on: ['b'] }), step('b', { depends_on: ['a'] })])).toMatchObject([['cycle', 'steps[0].depends_on']])
  })

  it('checks where a template points', () => {
    const subject = (text: string, more = {}) => found([step('first'), step('b', { tool_args: { ...good, subject: text }, ...more })])
    expect(subject('{{steps.first.result}}')).toEqual([['template_not_upstream', 'steps[1].tool_args.subject']])
    expect(subject('{{steps.b.result}}', { depends_on: ['first'] })).toEqual([['template_not_upstream', 'steps[1].tool_args.subject']])
    expect(subject('{{steps.frist.result}}')).toEqual([['template_unknown_step', 'steps[1].tool_args.subject']])
    expect(subject('{{steps.first.result')).toEqual([['template_syntax', 'steps[1].tool_args.subject']])
    expect(subject('{{item.x}}')).toEqual([['template_out_of_scope', 'steps[1].tool_args.subject']])
    expect(subject('{{input.x}} {{steps.first.input.to}}', { depends_on: ['first'] })).toEqual([])
    const [issue] = check([step('first'), step('b', { tool_args: { ...good, subject: '{{steps.frist.result}}' } })]).issues
    expect(issue!.message).toBe('{{steps.frist.result}}: there is no step `frist`. Did you mean `first`?')
    const chain = [
      step('a'),
      step('b', { depends_on: ['a'] }),
      step('c', { depends_on: ['b'], tool_args: { ...good, subject: '{{steps.a.result}}' } }),
    ]
    expect(found(chain)).toEqual([])
  })

  it('checks conditions the same way, with the column of a mistake', () => {
    const condition = (text: string, more = {}) =>
      check([step('a', { enabled: false }), step('b', { depends_on: ['a'], condition: text, ...more })])
    expect(condition('{{input.n}} = 1').issues).toMatchObject([{ code: 'condition_syntax', path: 'steps[1].condition' }])
    expect(condition('{{input.n}} = 1').issues[0]!.message).toContain('(column 13)')
    expect(condition('{{steps.zz.result}}').issues).toMatchObject([{ code: 'template_unknown_step', path: 'steps[1].condition' }])
    const disabled = condition('{{steps.a.result.ok}}')
    expect(disabled.issues).toMatchObject([{ code: 'disabled_step_referenced', severity: 'warning' }])
    expect(disabled.valid).toBe(true)
    expect(condition('exists {{steps.a.result.ok}}').issues).toEqual([])
  })

  it('finds what the run would stumble over: instance, profile, connection, scopes', () => {
    const one = (over: Partial<InstanceFacts>) => found([step('a')], lookups(mail(over)))
    const connection = (status: string, granted_scopes: string[] | null = ['mail.send']) => ({
      connection: { id: 'conn_1', status, granted_scopes },
    })
    const at = 'steps[0].instance_id'
    expect(one({ hasProfile: false })).toEqual([['no_active_profile', at]])
    expect(one({ connection: null })).toEqual([['connection_missing', at]])
    expect(one({ connection: null, needsConnection: false })).toEqual([])
    expect(one(connection('reconnect'))).toEqual([['connection_reconnect', at]])
    expect(one(connection('disabled'))).toEqual([['connection_disabled', at]])
    expect(one(connection('misconfigured'))).toEqual([['connection_misconfigured', at]])
    for (const status of ['active', 'degraded', 'unverified', 'needs_scopes']) expect(one(connection(status))).toEqual([])
    expect(one(connection('active', ['mail.read']))).toEqual([['scope_missing', 'steps[0].tool_name']])
    expect(one(connection('active', null))).toEqual([])
  })

  it('says which scopes are missing, and to which connection; of alternatives any one is enough', () => {
    const granted = (...granted_scopes: string[]) =>
      check(
        [step('a', { tool_name: 'archive', tool_args: { id: 7 } })],
        lookups(mail({ connection: { id: 'conn_1', status: 'active', granted_scopes } })),
      ).issues
    for (const one of ['mail.modify', 'mail.all']) expect(granted('mail.read', one)).toEqual([])
    expect(granted('mail.read')).toEqual([
      {
        step_id: 'a',
        code: 'scope_missing',
        path: 'steps[0].tool_name',
        message: '`archive` needs mail.modify, not granted to `conn_1`.',
        severity: 'error',
        missing_scopes: ['mail.modify'],
        connection_id: 'conn_1',
      },
    ])
    // What has no alternative is needed all the same, and all that is missing is named.
    expect(granted('mail.all')).toMatchObject([{ missing_scopes: ['mail.read'] }])
    expect(granted()).toMatchObject([{ missing_scopes: ['mail.modify', 'mail.read'] }])
  })

  it('finds the instance by id, else by its server URL', () => {
    const url = { instance_id: undefined, server_url: 'https://mail.example.com/mcp' }
    expect(found([step('a', url)])).toEqual([])
    expect(found([step('a', { ...url, instance_id: 'inst_of_another_project' })])).toEqual([])
    expect(found([step('a', { ...url, server_url: 'https://other.example.com' })])).toEqual([['missing_instance', 'steps[0].server_url']])
    expect(found([step('a', url)], lookups(mail({ hasProfile: false })))).toEqual([['no_active_profile', 'steps[0].server_url']])
    const graph = parseGraph({ steps: [step('a'), step('b'), step('c', url)] })
    expect(instancesNamed(graph)).toEqual({ ids: ['inst_mail'], server_urls: ['https://mail.example.com/mcp'] })
    expect(instanceOf(graph.steps[2]!, lookups())?.id).toBe('inst_mail')
  })

  it('suggests the tool that was meant, and is not fooled by inherited names', () => {
    const { issues } = check([step('a', { tool_name: 'send_emial' }), step('b', { tool_name: 'toString' })])
    expect(issues).toMatchObject([
      { code: 'unknown_tool', path: 'steps[0].tool_name', message: '`mail` has no tool `send_emial`. Did you mean `send_email`?' },
      { code: 'unknown_tool', message: '`mail` has no tool `toString`.' },
    ])
  })
})

describe('arguments', () => {
  it('names wrong, missing and unknown arguments, never their values', () => {
    const answer = args({ to: 'nobody-here', subjekt: 'x', limit: 'many', tags: [{ name: 1, colour: 'red' }], mode: 'medium' })
    expect(answer).toEqual([
      ['steps[0].tool_args.subjekt', 'There is no argument `subjekt`. Did you mean `subject`?'],
      ['steps[0].tool_args.tags[0].colour', 'There is no argument `colour`.'],
      ['steps[0].tool_args.to', '`to`: Invalid email address.'],
      ['steps[0].tool_args.subject', 'The argument `subject` is required.'],
      ['steps[0].tool_args.limit', '`limit`: Invalid input: expected number, received string.'],
      ['steps[0].tool_args.tags[0].name', '`tags[0].name`: Invalid input: expected string, received number.'],
      ['steps[0].tool_args.mode', expect.stringContaining('`mode`: Invalid option')],
    ])
    expect(JSON.stringify(answer)).not.toContain('nobody-here')
  })

  it('takes a template for any value, and text with a template in it for any text', () => {
    const all = { to: '{{input.to}}', subject: '{{input.s}}', limit: '{{input.n}}', tags: '{{input.tags}}', mode: '{{input.mode}}' }
    expect(args({ ...all, target: '{{input.target}}' })).toEqual([])
    expect(args({ ...good, tags: [{ name: '{{input.x}}' }, '{{input.tag}}'], target: { id: '{{input.id}}' } })).toEqual([])
    expect(args({ to: '{{input.name}}@example.com', subject: 'A long subject line for {{input.name}}', target: 'x{{input.y}}' })).toEqual(
      [],
    )
    expect(args({ ...good, limit: 'n{{input.n}}' })).toMatchObject([
      ['steps[0].tool_args.limit', expect.stringContaining('expected number')],
    ])
  })

  it('still checks the literal parts beside templates', () => {
    expect(args({ to: '{{input.to}}', subject: 7, limit: 1000, tags: [{ name: '{{input.x}}', nmae: 1 }] }).map(([path]) => path)).toEqual([
      'steps[0].tool_args.tags[0].nmae',
      'steps[0].tool_args.subject',
      'steps[0].tool_args.limit',
    ])
    expect(args({ ...good, target: 5 })).toEqual([['steps[0].tool_args.target', '`target` fits none of the forms that the tool takes.']])
    expect(args({ from: 3, to: 2 }, 'refined')).toEqual([['steps[0].tool_args', 'from must be less than to.']])
    expect(args({ from: '{{input.x}}', to: 2 }, 'refined')).toEqual([])
  })

  it('understands strict, loose and transformed schemas', () => {
    expect(args({ a: 'x', b: 1, nested: { c: 1, b: 2 } }, 'strict')).toEqual([
      ['steps[0].tool_args.nested.c', 'There is no argument `c`.'],
      ['steps[0].tool_args.b', 'There is no argument `b`.'],
    ])
    expect(args({ anything: 1 }, 'loose')).toEqual([])
    expect(args({ day: 'https://{{input.host}}', dya: 1 }, 'piped').map(([path]) => path)).toEqual(['steps[0].tool_args.dya'])
  })
})
