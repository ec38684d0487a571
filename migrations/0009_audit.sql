-- Uses of secrets, in batches that the audit chain answers for; and the floor that retention leaves behind.

-- One row is one or more uses of one version of one secret by one user for one purpose at one host, within one batch. `seq` is the audit
-- entry of the batch, which holds the digest of its rows.
create table secret_uses (
  workspace_id text not null references workspaces,
  seq bigint not null,
  n int not null check (n >= 0),
  -- The same in every workspace that the batch tells of: a batch is written once, whoever writes it.
  batch text not null,
  project_id text,
  first_at timestamptz not null,
  last_at timestamptz not null,
  uses int not null check (uses > 0),
  owner_id text not null,
  version int not null,
  purpose text not null,
  host text,
  actor text not null,
  run_id text,
  step_id text,
  attempt int,
  instance_id text,
  tool text,
  primary key (workspace_id, seq, n)
);
create index secret_uses_owner on secret_uses (workspace_id, owner_id, seq desc, n desc);
create unique index secret_uses_batch on secret_uses (batch, workspace_id) where n = 0;

-- What came before this entry was dropped; a signed checkpoint says what it came to.
create table audit_floors (
  workspace_id text primary key references workspaces,
  seq bigint not null,
  checkpoint text not null
);

-- Entries are append-only; what retention has put behind the floor may go, and nothing else.
drop trigger audit_append_only on audit_entries;
create trigger audit_append_only before update or truncate on audit_entries
  for each statement execute function audit_is_append_only();
create trigger secret_uses_append_only before update or truncate on secret_uses
  for each statement execute function audit_is_append_only();

create function audit_is_behind_the_floor() returns trigger language plpgsql as $$
begin
  if not exists (select from audit_floors where workspace_id = old.workspace_id and seq >= old.seq) then
    raise exception 'audit entries are append-only';
  end if;
  return old;
end $$;
create trigger audit_kept before delete on audit_entries for each row execute function audit_is_behind_the_floor();
create trigger secret_uses_kept before delete on secret_uses for each row execute function audit_is_behind_the_floor();

-- The working role may not delete entries itself. Row-level security holds in here too: the owner is subject to it.
create function audit_drop(p_workspace text, p_seq bigint) returns bigint language plpgsql security definer
set search_path from current as $$
declare v_dropped bigint;
begin
  delete from secret_uses where workspace_id = p_workspace and seq <= p_seq;
  delete from audit_entries where workspace_id = p_workspace and seq <= p_seq;
  get diagnostics v_dropped = row_count;
  return v_dropped;
end $$;

alter table secret_uses enable row level security;
alter table secret_uses force row level security;
create policy tenant on secret_uses using (
  (current_setting('ar.workspace', true) = '*' or workspace_id = current_setting('ar.workspace', true))
  and (current_setting('ar.project', true) = '*' or project_id is null or project_id = current_setting('ar.project', true)));
alter table audit_floors enable row level security;
alter table audit_floors force row level security;
create policy tenant on audit_floors using (
  current_setting('ar.workspace', true) = '*' or workspace_id = current_setting('ar.workspace', true));
