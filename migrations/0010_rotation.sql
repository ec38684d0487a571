-- Rotations: a version of a credential beside the live one, what was found out about it, and what became of it.

-- The highest number that a version of this connection ever had: a number is never given twice, whatever was cancelled or rolled back.
alter table connections add column last_version int not null default 0;

create table rotations (
  id text primary key,
  workspace_id text not null references workspaces,
  project_id text not null references projects,
  connection_id text not null references connections on delete cascade,
  state text not null check (state in ('staged', 'validated', 'switched', 'finished', 'cancelled', 'rolled_back')),
  reason text not null check (reason in ('scheduled', 'leaked')),
  old_version int not null,
  new_version int not null,
  -- What was entered with each version and is no secret: a host, a user's name.
  old_public jsonb not null,
  new_public jsonb not null,
  -- Facts about both, as they were when the new one was stored: they outlast the old one.
  fields jsonb not null,
  -- Instances that stay on the old version.
  excluded text[] not null default '{}',
  -- One for each place where the connection is bound, as of the last validation.
  results jsonb not null default '[]',
  validated_at timestamptz,
  -- The last test: a run, one call of a tool, or that there was none and why.
  test jsonb,
  forced boolean not null default false,
  switched_at timestamptz,
  -- Until then the old version answers for a new one that is refused, and the way back is open.
  overlap_until timestamptz,
  old_destroyed_at timestamptz,
  -- Calls that the other version had to answer for.
  fallbacks int not null default 0,
  last_fallback_at timestamptz,
  -- Whether the old one is dead at its provider too: a person has said so, or its provider has.
  revoked text check (revoked in ('confirmed', 'revoked')),
  -- Who did what and when, in order.
  acts jsonb not null,
  created_by text not null,
  created_at timestamptz not null,
  -- What is staged and not switched by then is destroyed.
  expires_at timestamptz not null,
  ended_at timestamptz
);
create unique index rotations_open on rotations (connection_id) where state in ('staged', 'validated', 'switched');
create index rotations_page on rotations (workspace_id, project_id, connection_id, id desc);
create index rotations_due on rotations (least(expires_at, overlap_until)) where state in ('staged', 'validated', 'switched');
alter table rotations enable row level security;
alter table rotations force row level security;
create policy tenant on rotations using (
  (current_setting('ar.workspace', true) = '*' or workspace_id = current_setting('ar.workspace', true))
  and (current_setting('ar.project', true) = '*' or project_id = current_setting('ar.project', true)));

-- When a version was used last, and how often since.
create index secret_uses_version on secret_uses (workspace_id, owner_id, version, last_at desc);

-- Secrets that senders sign with and OAuth apps prove themselves by: when the one that counts came, and which of the two is still seen.
alter table webhooks add column secret_since timestamptz, add column last_secret_version int not null default 0;
alter table webhook_deliveries add column secret_version int;
alter table oauth_apps add column secret_since timestamptz, add column last_secret_version int not null default 0;
create index oauth_apps_overlap on oauth_apps (previous_until) where previous_until is not null;
