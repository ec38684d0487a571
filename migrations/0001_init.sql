-- Tenants, people, tokens, audit, connections, bindings, workflows, runs.
-- Ids are text (`conn_…`), times are timestamptz. Every tenant-owned table carries workspace_id (and project_id where it
-- lives in a project) and is guarded by row-level security at the end of this file.

create table workspaces (
  workspace_id text primary key,
  slug text not null unique,
  name text not null,
  created_at timestamptz not null default now()
);

create table users (
  id text primary key,
  email text not null unique,
  name text not null,
  disabled_at timestamptz,
  created_at timestamptz not null default now()
);

create table projects (
  id text primary key,
  workspace_id text not null references workspaces,
  slug text not null,
  name text not null,
  created_at timestamptz not null default now(),
  unique (workspace_id, slug)
);

create table members (
  workspace_id text not null references workspaces,
  user_id text not null references users,
  role text not null check (role in ('owner', 'admin', 'member')),
  created_at timestamptz not null default now(),
  primary key (workspace_id, user_id)
);

create table project_members (
  workspace_id text not null references workspaces,
  project_id text not null references projects,
  user_id text not null references users,
  role text not null check (role in ('project_admin', 'project_contributor', 'project_viewer')),
  primary key (project_id, user_id)
);

create table pats (
  id text primary key,
  workspace_id text not null references workspaces,
  project_id text not null references projects,
  user_id text not null references users,
  display_name text not null,
  token_hash bytea not null unique,
  scopes text[] not null,
  expires_at timestamptz not null,
  last_used_at timestamptz,
  last_used_ip text,
  revoked_at timestamptz,
  created_at timestamptz not null default now()
);

create table audit_heads (
  workspace_id text primary key references workspaces,
  seq bigint not null,
  hash bytea not null
);

-- `entry` is the canonical JSON that is hashed; the columns beside it serve the filters and are checked against it.
create table audit_entries (
  workspace_id text not null references workspaces,
  seq bigint not null,
  at timestamptz not null,
  actor text not null,
  action text not null,
  target text,
  project_id text,
  entry text not null,
  hash bytea not null,
  primary key (workspace_id, seq)
);
create index audit_entries_target on audit_entries (workspace_id, target, seq desc);

-- Locks the workspace's head as late as possible: callers append as the last statement of their transaction.
create function audit_append(p_workspace text, p_at timestamptz, p_actor text, p_action text, p_target text, p_project text, p_entry text)
returns bigint language plpgsql as $$
declare
  v_seq bigint;
  v_prev bytea;
  v_hash bytea;
begin
  select seq + 1, hash into v_seq, v_prev from audit_heads where workspace_id = p_workspace for update;
  if not found then
    insert into audit_heads values (p_workspace, 0, '\x') on conflict do nothing;
    select seq + 1, hash into v_seq, v_prev from audit_heads where workspace_id = p_workspace for update;
  end if;
  v_hash := sha256(v_prev || int8send(v_seq) || convert_to(p_entry, 'UTF8'));
  insert into audit_entries values (p_workspace, v_seq, p_at, p_actor, p_action, p_target, p_project, p_entry, v_hash);
  update audit_heads set seq = v_seq, hash = v_hash where workspace_id = p_workspace;
  return v_seq;
end $$;

create function audit_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'audit entries are append-only';
end $$;
create trigger audit_append_only before update or delete or truncate on audit_entries
  for each statement execute function audit_is_append_only();

create table idempotency (
  workspace_id text not null references workspaces,
  project_id text not null,
  key text not null,
  operation text not null,
  body_hash bytea not null,
  status int,
  answer text,
  created_at timestamptz not null default now(),
  primary key (workspace_id, project_id, operation, key)
);
create index idempotency_age on idempotency (created_at);

create table connections (
  id text primary key,
  workspace_id text not null references workspaces,
  project_id text not null references projects,
  name text not null,
  provider text not null,
  service text not null,
  environment text not null,
  status text not null check (status in ('unverified', 'active', 'degraded', 'reconnect', 'needs_scopes', 'misconfigured', 'disabled')),
  status_reason text,
  status_since timestamptz not null default now(),
  public jsonb not null default '{}',
  credential_version int not null,
  account jsonb,
  granted_scopes text[],
  warnings text[] not null default '{}',
  expires_at timestamptz,
  last_validated_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index connections_page on connections (workspace_id, project_id, id desc);

create table connection_events (
  id text primary key,
  workspace_id text not null,
  project_id text not null,
  connection_id text not null references connections on delete cascade,
  event_type text not null,
  at timestamptz not null default now(),
  data jsonb not null default '{}'
);
create index connection_events_page on connection_events (connection_id, id desc);

create table instances (
  id text primary key,
  workspace_id text not null references workspaces,
  project_id text not null references projects,
  server text not null,
  name text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index instances_page on instances (workspace_id, project_id, id desc);

create table profiles (
  id text primary key,
  workspace_id text not null references workspaces,
  project_id text not null references projects,
  instance_id text not null references instances on delete cascade,
  name text not null,
  environment text not null,
  connection_id text references connections,
  config jsonb not null default '{}',
  source_spec jsonb,
  is_active boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (instance_id, name)
);
create unique index profiles_one_active on profiles (instance_id, environment) where is_active;
create index profiles_connection on profiles (connection_id);

create table workflows (
  id text primary key,
  workspace_id text not null references workspaces,
  project_id text not null references projects,
  name text not null,
  description text,
  graph jsonb not null,
  run_setup jsonb,
  latest_version int,
  archived_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index workflows_page on workflows (workspace_id, project_id, id desc);

create table workflow_versions (
  workspace_id text not null,
  project_id text not null,
  workflow_id text not null references workflows,
  version int not null,
  graph jsonb not null,
  changelog text,
  published_by text not null,
  published_at timestamptz not null default now(),
  primary key (workflow_id, version)
);

create table runs (
  id text primary key,
  workspace_id text not null,
  project_id text not null,
  workflow_id text not null,
  version int not null,
  environment text not null,
  trigger text not null,
  started_by text not null,
  status text not null check (status in ('queued', 'running', 'paused', 'draining', 'completed', 'failed', 'stopped')),
  input jsonb not null,
  options jsonb not null default '{}',
  waiting_on jsonb not null default '[]',
  failure jsonb,
  command text not null default 'none' check (command in ('none', 'pause', 'stop_graceful', 'stop_now')),
  last_seq int not null,
  -- Bumped by whoever takes the run over; a writer that still carries an older number is refused.
  fence int not null default 0,
  -- Which stretch of work (a start, or an answer to a wait) is the latest one.
  leg int not null default 1,
  created_at timestamptz not null,
  touched_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz
) with (fillfactor = 70);
create index runs_page on runs (workspace_id, project_id, id desc);
create index runs_of_workflow on runs (workflow_id, id desc);
-- Runs that somebody should be working on: parked and paused ones cost a row and nothing else.
create index runs_open on runs (id) where status in ('queued', 'running', 'draining') and waiting_on = '[]'::jsonb;

-- Steps and events are written only together with their run's row (one statement, which checks the fence): no foreign keys needed.
create table run_steps (
  workspace_id text not null,
  project_id text not null,
  run_id text not null,
  step_id text not null,
  state text not null,
  attempt int not null,
  input jsonb,
  result jsonb,
  detail jsonb,
  started_at timestamptz,
  finished_at timestamptz,
  primary key (run_id, step_id)
) with (fillfactor = 70);

create table run_events (
  workspace_id text not null,
  project_id text not null,
  run_id text not null,
  seq int not null,
  event_type text not null,
  step_id text,
  attempt int,
  at timestamptz not null,
  data jsonb not null default '{}',
  primary key (run_id, seq)
);

-- One row for every tool call: who, where, with which credential version, how long, how it ended. Never a value.
create table tool_calls (
  id text primary key,
  workspace_id text not null,
  project_id text not null,
  at timestamptz not null,
  actor text not null,
  run_id text,
  step_id text,
  attempt int,
  instance_id text not null,
  tool text not null,
  connection_id text,
  credential_version int,
  duration_ms int not null,
  outcome text not null,
  code text,
  call_key text not null
);
create index tool_calls_connection on tool_calls (connection_id, id desc);
create index tool_calls_instance on tool_calls (instance_id, id desc);

-- Which process advances runs. A lease that ran out hands its runs over.
create table executors (
  id text primary key,
  lease_until timestamptz not null,
  started_at timestamptz not null default now()
);

-- Row-level security. A transaction says whose rows it sees (ar.workspace, ar.project); `*` is for the runtime's own chores.
do $$
declare t text;
begin
  foreach t in array array['workspaces', 'members', 'audit_heads'] loop
    execute format('alter table %I enable row level security; alter table %I force row level security', t, t);
    execute format($p$create policy tenant on %I using (current_setting('ar.workspace', true) = '*'
      or workspace_id = current_setting('ar.workspace', true))$p$, t);
  end loop;
  execute 'alter table projects enable row level security; alter table projects force row level security';
  execute $p$create policy tenant on projects using (current_setting('ar.workspace', true) = '*'
    or workspace_id = current_setting('ar.workspace', true))$p$;
  foreach t in array array['project_members', 'pats', 'audit_entries', 'idempotency', 'connections', 'connection_events', 'instances',
    'profiles', 'workflows', 'workflow_versions', 'runs', 'run_steps', 'run_events', 'tool_calls'] loop
    execute format('alter table %I enable row level security; alter table %I force row level security', t, t);
    execute format($p$create policy tenant on %I using (
      (current_setting('ar.workspace', true) = '*' or workspace_id = current_setting('ar.workspace', true))
      and (current_setting('ar.project', true) = '*' or project_id is null or project_id = current_setting('ar.project', true)))$p$, t);
  end loop;
end $$;
