/** The demo: a small shop's orders in SQLite, an instance bound to it, and a workflow that has already run once. No network. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Caller } from './access/index.ts'
import { newId } from './base/ids.ts'
import { type AnyOperation, type Invoke, operations, type Rooms } from './operations/index.ts'

const ORDERS = 400
const DAYS = 14
const PRODUCTS = [
  ['Desk lamp', 3900],
  ['Notebook', 650],
  ['Standing desk', 42900],
  ['Headphones', 12900],
  ['Webcam', 7900],
  ['Coffee mug', 1200],
] as const

/** The same orders on every machine: a small generator with a fixed start (Numerical Recipes' constants). */
function* numbers(): Generator<number, never> {
  let state = 20_261
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state / 2 ** 32
  }
}

export function writeOrders(file: string): void {
  const db = new DatabaseSync(file)
  const random = numbers()
  const next = (n: number) => Math.floor(random.next().value * n)
  db.exec(`create table if not exists orders (id integer primary key, day text not null, product text not null, quantity integer not null, cents integer not null);
    delete from orders; begin`)
  const insert = db.prepare('insert into orders (day, product, quantity, cents) values (?, ?, ?, ?)')
  for (let i = 0; i < ORDERS; i++) {
    const [product, price] = PRODUCTS[next(PRODUCTS.length)] as (typeof PRODUCTS)[number]
    const quantity = 1 + next(4)
    insert.run(`2026-01-${String(1 + next(DAYS)).padStart(2, '0')}`, product, quantity, quantity * price)
  }
  db.exec('commit')
  db.close()
}

/** query → transform by template → second query. */
const dailySales = (instanceId: string) => ({
  steps: [
    {
      id: 'best_day',
      type: 'mcp_call',
      name: 'Find the day with the highest sales',
      instance_id: instanceId,
      tool_name: 'sqlite_query',
      tool_args: { sql: 'select day, count(*) as orders, sum(cents) as cents from orders group by day order by cents desc limit 1' },
    },
    {
      id: 'label',
      type: 'mcp_call',
      name: 'Word it',
      instance_id: instanceId,
      depends_on: ['best_day'],
      tool_name: 'sqlite_query',
      tool_args: {
        sql: 'select ? as headline',
        args: ['Best day: {{steps.best_day.result.rows.0.day}} with {{steps.best_day.result.rows.0.orders}} orders'],
      },
    },
    {
      id: 'products',
      type: 'mcp_call',
      name: 'What sold on that day',
      instance_id: instanceId,
      depends_on: ['label'],
      tool_name: 'sqlite_query',
      tool_args: {
        sql: 'select product, sum(quantity) as sold, sum(cents) as cents from orders where day = ? group by product order by cents desc',
        args: ['{{steps.best_day.result.rows.0.day}}'],
      },
    },
  ],
})

/** Goes through the operations like everybody else. Returns the id of the run. */
export async function seedDemo(deps: { invoke: Invoke; rooms: Rooms; owner: Caller; root: string }): Promise<string> {
  const { owner } = deps
  const folder = join(deps.root, owner.workspace, owner.project)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeOrders(join(folder, 'orders.sqlite'))
  const ask = async <T>(name: string, input: Record<string, unknown>): Promise<T> => {
    const op = operations.find((o) => o.name === name) as AnyOperation
    return (await deps.invoke(op, owner, input, { requestId: newId('req'), signal: new AbortController().signal })) as T
  }
  const instance = await ask<{ id: string }>('instances.create', {
    slug: 'sqlite',
    name: 'Demo shop',
    config: { database_path: 'orders.sqlite' },
  })
  const workflow = await ask<{ id: string }>('workflows.create', {
    name: 'Daily sales',
    description: 'The best day of the demo shop, and what sold on it.',
    graph: dailySales(instance.id),
  })
  await ask('versions.publish', { id: workflow.id, changelog: 'First version' })
  const run = await ask<{ run_id: string }>('runs.command', { id: workflow.id, command: 'start' })
  return run.run_id
}
