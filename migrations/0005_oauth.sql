-- OAuth: clients of ours at providers, grants behind connections, authorizations under way, and what is told to the outside.

-- A workspace's own OAuth app at a provider. Its client secret is in the vault (owner = id); 0 as version: a public client.
create table oauth_apps (
  id text primary key,
  workspace_id text not null references workspaces,
  slug text not null,
  provider text not null,
  client_id text not null,
  settings jsonb not null default '{}',
  secret_version int not null default 0,
  -- While a secret is being changed, the one before it is tried too, until then.
  previous_secret_version int,
  previous_until timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (workspace_id, slug)
);

-- A client that its provider refuses, whoever's it is: one connection at a time asks again, the others wait for its answer.
create table oauth_refusals (
  client_key text primary key,
  reason text not null,
  since timestamptz not null default now(),
  probe_at timestamptz not null
);

-- What is behind a connection whose access token is renewed: one row beside it. Facts and books, never a token.
create table grants (
  connection_id text primary key references connections on delete cascade,
  workspace_id text not null,
  project_id text not null,
  kind text not null check (kind in ('authorization_code', 'refresh_token', 'access_token', 'client_credentials', 'jwt_bearer')),
  -- null: the connection brings a client of its own.
  app_slug text,
  client_key text not null,
  client_id text not null,
  -- Tokens belong to the authorization server that gave them; they are never sent to another.
  authorization_server text not null,
  services text[] not null default '{}',
  asked_scopes text[] not null default '{}',
  consented_at timestamptz not null,
  access_obtained_at timestamptz,
  access_expires_at timestamptz,
  renewable boolean not null,
  -- After this only a person helps, whatever is renewed. null: no such end is known.
  ends_at timestamptz,
  warned_days int,
  -- When to renew without being asked. null: never.
  due_at timestamptz,
  failures int not null default 0,
  unknown_failures int not null default 0,
  unknown_since timestamptz,
  next_try_at timestamptz,
  last_problem text,
  -- The version whose access token came of a renewal that a 401 had forced.
  forced_version int,
  -- Who renews now. The number rises with each taking, and a write with an older one is refused.
  lease_owner text,
  lease_until timestamptz,
  fence bigint not null default 0,
  -- Written before the refresh token of `intent_version` leaves the building, taken away with its outcome.
  intent_version int,
  intent_at timestamptz,
  -- The refresh token of the present version may have been used up by a request whose answer never came.
  maybe_spent boolean not null default false
) with (fillfactor = 70);
create index grants_due on grants (due_at) where due_at is not null;
create index grants_client on grants (client_key);

-- Authorizations that a browser has begun. The state and the browser's mark lie here as hashes only.
create table oauth_attempts (
  id text primary key,
  workspace_id text not null references workspaces,
  project_id text not null references projects,
  user_id text not null,
  actor text not null,
  ask jsonb not null,
  browser_hash bytea not null,
  state_hash bytea unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  finished_at timestamptz,
  outcome jsonb
);
create index oauth_attempts_age on oauth_attempts (created_at);

-- Events for the outside, written with the change that they tell of and sent afterwards.
create table outgoing_events (
  id text primary key,
  workspace_id text not null,
  project_id text not null,
  event_type text not null,
  payload text not null,
  created_at timestamptz not null default now(),
  attempts int not null default 0,
  next_try_at timestamptz not null default now(),
  delivered_at timestamptz,
  last_problem text
);
create index outgoing_events_open on outgoing_events (next_try_at) where delivered_at is null;

-- Which database this is, and how far its books have come: a copy and a restored backup can be told from the original.
create table installation (
  one boolean primary key default true check (one),
  identity text not null,
  beat bigint not null default 0,
  held_since timestamptz,
  held_reason text
);

-- Of the server and of the database in it. Where a role may not ask for the server's, the database's own number has to do.
create function database_identity() returns text language plpgsql stable as $$
declare v_system text;
begin
  begin
    select system_identifier::text into v_system from pg_control_system();
  exception when insufficient_privilege then
    v_system := 'unknown';
  end;
  return v_system || '/' || (select oid::text from pg_database where datname = current_database());
end $$;

do $$
declare t text;
begin
  execute 'alter table oauth_apps enable row level security; alter table oauth_apps force row level security';
  execute $p$create policy tenant on oauth_apps using (current_setting('ar.workspace', true) = '*'
    or workspace_id = current_setting('ar.workspace', true))$p$;
  foreach t in array array['grants', 'oauth_attempts', 'outgoing_events'] loop
    execute format('alter table %I enable row level security; alter table %I force row level security', t, t);
    execute format($p$create policy tenant on %I using (
      (current_setting('ar.workspace', true) = '*' or workspace_id = current_setting('ar.workspace', true))
      and (current_setting('ar.project', true) = '*' or project_id = current_setting('ar.project', true)))$p$, t);
  end loop;
end $$;
