-- The strong room's tables. Everything in them is wrapped or sealed: docs/format-v1.md says how.

-- The ring: numbered 256-bit keys, each wrapped by the root key. Number 0 is the fingerprint key, which is never rotated.
create table vault_keys (
  key_no int primary key check (key_no >= 0),
  purpose text not null check ((purpose = 'fingerprint') = (key_no = 0) and purpose in ('data', 'fingerprint')),
  -- The same number while rows may be sealed under the key, null once it is retired. Sealed rows refer to it, so PostgreSQL
  -- itself refuses to retire a key that a row needs, and refuses a row whose key has just been retired.
  usable_no int unique check (usable_no = key_no),
  root_key_id text not null,
  wrapped bytea,
  -- How many data keys it has wrapped, counted in batches.
  wraps bigint not null default 0,
  created_at timestamptz not null default now(),
  retired_at timestamptz,
  check ((retired_at is null) = (wrapped is not null)),
  check (retired_at is null or usable_no is null)
);

-- A known text wrapped by the root key: tells a wrong root key from damage before anything is decrypted.
create table vault_sentinel (
  root_key_id text primary key,
  sealed bytea not null,
  created_at timestamptz not null default now()
);

-- One row is one field of one version of one owner's secret.
create table sealed (
  id text primary key,
  workspace_id text not null references workspaces,
  project_id text references projects,
  owner_id text not null,
  field text not null,
  version int not null check (version > 0),
  key_no int not null references vault_keys (usable_no),
  bytes bytea not null,
  -- HMAC-SHA256 of the value under a key of the workspace; `marks` lets the graph scanner find the value inside longer texts.
  fingerprint bytea not null,
  marks bytea not null,
  length int not null,
  last_four text,
  state text not null default 'live' check (state in ('live', 'undecryptable')),
  created_at timestamptz not null default now(),
  unique (owner_id, field, version)
);
create index sealed_workspace on sealed (workspace_id);
-- For "does any row still use this key", which the foreign key asks too.
create index sealed_key on sealed (key_no);

alter table sealed enable row level security;
alter table sealed force row level security;
create policy tenant on sealed using (
  (current_setting('ar.workspace', true) = '*' or workspace_id = current_setting('ar.workspace', true))
  and (current_setting('ar.project', true) = '*' or project_id is null or project_id = current_setting('ar.project', true))
);
