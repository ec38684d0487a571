-- People sign in: passwords, accounts elsewhere, sessions, links that work once, invitations. Every token lies here as its hash only.

-- An admin ends somebody's work in one workspace; the person and their other workspaces stay.
alter table members add column disabled_at timestamptz;
create index members_user on members (user_id);
create index project_members_user on project_members (user_id);
-- The end of a token tells people which one it is; 154 random bits of it are known to nobody.
alter table pats add column last_four text;

-- argon2id, in its own notation.
create table passwords (
  user_id text primary key references users on delete cascade,
  hash text not null,
  changed_at timestamptz not null
);

-- An account at an OpenID provider, by what never changes there. The e-mail is for people to read.
create table identities (
  issuer text not null,
  subject text not null,
  user_id text not null references users on delete cascade,
  email text,
  created_at timestamptz not null,
  primary key (issuer, subject)
);
create index identities_user on identities (user_id);

create table sessions (
  id text primary key,
  user_id text not null references users on delete cascade,
  token_hash bytea not null unique,
  created_at timestamptz not null,
  last_used_at timestamptz not null,
  ends_at timestamptz not null,
  ip text,
  user_agent text
);
create index sessions_user on sessions (user_id, id desc);
create index sessions_age on sessions (ends_at);

create table reset_links (
  token_hash bytea primary key,
  user_id text not null references users on delete cascade,
  expires_at timestamptz not null
);
create index reset_links_user on reset_links (user_id);

create table invitations (
  id text primary key,
  workspace_id text not null references workspaces,
  email text not null,
  role text not null check (role in ('owner', 'admin', 'member')),
  project_id text references projects,
  project_role text check (project_role in ('project_admin', 'project_contributor', 'project_viewer')),
  token_hash bytea not null unique,
  invited_by text not null references users,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  accepted_at timestamptz,
  check ((project_id is null) = (project_role is null))
);
create index invitations_page on invitations (workspace_id, id desc);

do $$
declare t text;
begin
  -- These belong to people, who may be in several workspaces: no transaction of a tenant sees any of them.
  foreach t in array array['passwords', 'identities', 'sessions', 'reset_links'] loop
    execute format('alter table %I enable row level security; alter table %I force row level security', t, t);
    execute format($p$create policy people on %I using (current_setting('ar.workspace', true) = '*')$p$, t);
  end loop;
  execute 'alter table invitations enable row level security; alter table invitations force row level security';
  execute $p$create policy tenant on invitations using (current_setting('ar.workspace', true) = '*'
    or workspace_id = current_setting('ar.workspace', true))$p$;
end $$;
