-- Inbound webhooks: who may start a run of which workflow from outside, and what has come so far.

-- Its signing secrets are in the vault (owner = id). 0 as version: the vendor's secret has not been given yet.
create table webhooks (
  id text primary key,
  workspace_id text not null references workspaces,
  project_id text not null references projects,
  workflow_id text not null references workflows,
  name text not null,
  scheme text not null,
  enabled boolean not null default true,
  -- Lies under the body of each delivery.
  extras jsonb not null default '{}',
  -- Each delivery must bring this token besides its signature. The token itself is not kept.
  automation_pat_id text,
  secret_version int not null,
  -- While a secret is being changed, the one before it is tried too, until then.
  previous_secret_version int,
  previous_until timestamptz,
  created_by text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index webhooks_page on webhooks (workspace_id, project_id, id desc);
create index webhooks_overlap on webhooks (previous_until) where previous_until is not null;

-- The ledger. One row for each delivery that started a run, written in the run's own transaction; `slot` names what was delivered, so that
-- nothing starts two. What started nothing is counted: one row for each kind of refusal, or each delivery seen before, and minute.
create table webhook_deliveries (
  id text primary key,
  workspace_id text not null,
  project_id text not null,
  webhook_id text not null references webhooks on delete cascade,
  slot text not null,
  outcome text not null check (outcome in ('accepted', 'duplicate', 'refused')),
  code text,
  run_id text,
  delivery_id text,
  count int not null default 1,
  at timestamptz not null,
  last_at timestamptz not null,
  -- Of refusals: whether the audit log has their count.
  audited boolean not null default false,
  unique (webhook_id, slot)
);
create index webhook_deliveries_page on webhook_deliveries (webhook_id, id desc);
create index webhook_deliveries_age on webhook_deliveries (at);
create index webhook_deliveries_unaudited on webhook_deliveries (at) where outcome = 'refused' and not audited;

do $$
declare t text;
begin
  foreach t in array array['webhooks', 'webhook_deliveries'] loop
    execute format('alter table %I enable row level security; alter table %I force row level security', t, t);
    execute format($p$create policy tenant on %I using (
      (current_setting('ar.workspace', true) = '*' or workspace_id = current_setting('ar.workspace', true))
      and (current_setting('ar.project', true) = '*' or project_id = current_setting('ar.project', true)))$p$, t);
  end loop;
end $$;
