-- Everything a first installation holds. Rules of the schema:
--   every table has a tenant; row level security is forced; the tenant is a setting of the
--   transaction (csp.tenant) and an unset tenant sees nothing;
--   the application works as csp_app, which owns nothing; what must look across tenants is a
--   SECURITY DEFINER function of csp_definer that returns ids and tenants only;
--   what grows without bound is partitioned by the month in which its session was created.

do $$ begin
  if not exists (select from pg_roles where rolname = 'csp_app') then create role csp_app nologin; end if;
  if not exists (select from pg_roles where rolname = 'csp_definer') then create role csp_definer nologin; end if;
  execute format('grant csp_app, csp_definer to %I', current_user);
end $$;
grant usage on schema public to csp_app, csp_definer;
grant create on schema public to csp_definer;

create function csp_tenant() returns text language sql stable parallel safe
  as $$ select nullif(current_setting('csp.tenant', true), '') $$;

-- ---- who ----------------------------------------------------------------------------------------

create table tenants (
  id         text primary key,
  name       text not null,
  created_at timestamptz not null default now()
);

create table users (
  id            text primary key,
  tenant        text not null references tenants,
  email         text not null,
  name          text not null,
  role          text not null default 'member' check (role in ('member', 'admin')),
  password_hash text,
  created_at    timestamptz not null default now(),
  disabled_at   timestamptz
);
create unique index users_email on users (lower(email));

create table api_keys (
  id           text primary key,
  tenant       text not null references tenants,
  user_id      text not null references users,
  name         text not null,
  hint         text not null,                 -- first characters, for lists
  hash         bytea not null unique,         -- sha256 of the key
  created_at   timestamptz not null default now(),
  expires_at   timestamptz,
  revoked_at   timestamptz,
  last_used_at timestamptz
);

create table web_sessions (
  hash       bytea primary key,               -- sha256 of the cookie
  tenant     text not null references tenants,
  user_id    text not null references users,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);

create table login_links (
  hash       bytea primary key,               -- sha256 of the one-time token
  tenant     text not null references tenants,
  user_id    text not null references users,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at    timestamptz
);

create table audit_events (
  id         bigint generated always as identity primary key,
  tenant     text not null references tenants,
  at         timestamptz not null default now(),
  actor      text not null,                   -- user id, or the component's name
  action     text not null,                   -- e.g. session.create, worker.invalid_event
  target     text,
  data       json
);

-- ---- what they may run --------------------------------------------------------------------------

create table agents (
  id          text primary key,
  tenant      text not null references tenants,
  version     integer not null,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  archived_at timestamptz
);

create table agent_versions (
  agent_id   text not null references agents on delete cascade,
  version    integer not null,
  tenant     text not null references tenants,
  definition json not null,                   -- as the API shows it
  spec       json not null,                   -- csp_crds.agent.AgentSpec
  created_at timestamptz not null default now(),
  primary key (agent_id, version)
);

create table environments (
  id          text primary key,
  tenant      text not null references tenants,
  name        text not null,
  description text,
  config      json not null,
  metadata    json not null default '{}',
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  archived_at timestamptz
);

-- ---- sessions and their logs --------------------------------------------------------------------

create table sessions (
  id                text primary key,
  month             date not null,            -- first day of the month of creation: the partition
  tenant            text not null references tenants,
  owner             text not null references users,
  agent_id          text,
  agent_version     integer,
  agent             json not null,            -- the definition as the API shows it, at creation
  spec              json not null,            -- AgentSpec at creation
  environment_id    text,
  title             text,
  title_is_auto     boolean not null default true,
  metadata          json not null default '{}',
  state             text not null default 'creating'
                    check (state in ('creating', 'active', 'running', 'paused', 'completed', 'error')),
  fold              json not null,            -- csp_controlplane.domain.fold, as of fold_version
  fold_version      bigint not null default 0,
  needs_worker      boolean not null default true,  -- of the fold: input waits or a turn runs
  last_seq          bigint not null default 0,
  epoch             bigint not null default 0,
  next_n            bigint not null default 1,
  claude_session_id text,
  origin            text not null default 'api' check (origin in ('api', 'resource')),
  origin_uid        text unique,
  created_at        timestamptz not null default now(),
  updated_at        timestamptz not null default now(),
  last_event_at     timestamptz not null default now(),
  archived_at       timestamptz,
  deleted_at        timestamptz,
  lease_holder      text,                     -- the gateway that binds and rebinds this session
  lease_until       timestamptz
);
create index sessions_by_owner on sessions (tenant, owner, created_at desc) where deleted_at is null;
create index sessions_waiting on sessions (lease_until nulls first) where needs_worker and deleted_at is null;

create table bindings (
  session_id  text not null references sessions on delete cascade,
  epoch       bigint not null,
  tenant      text not null references tenants,
  worker_id   text not null,
  endpoint    text not null,
  handle_hash bytea not null unique,          -- sha256 of the model proxy handle
  bound_seq   bigint not null,                -- last_seq when the epoch began
  bound_at    timestamptz not null default now(),
  ended_at    timestamptz,
  end_reason  text,
  primary key (session_id, epoch)
);
create unique index bindings_one_live on bindings (session_id) where ended_at is null;
create unique index bindings_one_session_per_worker on bindings (worker_id);

create table events (
  month      date not null,
  session_id text not null,
  seq        bigint not null,
  tenant     text not null,
  epoch      bigint,                          -- with n: written by that epoch's worker
  n          bigint,
  id         text not null,
  type       text not null,
  payload    json not null,                   -- exactly the bytes that clients receive
  dedup_key  text collate "C",                -- client message id, confirmation, request hash
  created_at timestamptz not null default now(),
  primary key (month, session_id, seq)
) partition by range (month);
create unique index events_by_n on events (month, session_id, epoch, n);
create unique index events_by_id on events (month, session_id, id);
create unique index events_by_dedup_key on events (month, session_id, dedup_key);

create table transcript_entries (
  month      date not null,
  session_id text not null,
  ordinal    bigint generated always as identity,
  tenant     text not null,
  epoch      bigint not null,
  subpath    text not null default '',
  entry      text not null,
  primary key (month, session_id, ordinal)
) partition by range (month);

create table blobs (
  id         text primary key,
  tenant     text not null references tenants,
  session_id text,
  owner      text not null,
  name       text not null,
  media_type text not null,
  size       bigint not null,
  sha256     bytea not null,
  data       bytea not null,
  created_at timestamptz not null default now()
);

-- Creates the partitions of one month; called before the first session of the month.
create function ensure_month(p_month date) returns void language plpgsql security definer
  set search_path = public as $$
declare
  t text; child text;
begin
  foreach t in array array['events', 'transcript_entries'] loop
    child := t || '_' || to_char(p_month, 'YYYYMM');
    if to_regclass(child) is null then
      perform pg_advisory_xact_lock(hashtext('csp.ensure_month'));
      execute format('create table if not exists %I partition of %I for values from (%L) to (%L)',
                     child, t, p_month, (p_month + interval '1 month')::date);
      -- Rows are only reached through the parent, whose policy applies.
      execute format('revoke all on %I from csp_app', child);
    end if;
  end loop;
end $$;

-- ---- money --------------------------------------------------------------------------------------

create table model_requests (
  id                          text primary key,
  tenant                      text not null references tenants,
  session_id                  text not null references sessions on delete cascade,
  user_id                     text not null,
  epoch                       bigint not null,
  model                       text not null,
  status                      text not null default 'reserved'
                              check (status in ('reserved', 'settled', 'expired')),
  http_status                 integer,
  reserved_microusd           bigint not null,
  cost_microusd               bigint,
  input_tokens                bigint,
  output_tokens               bigint,
  cache_read_input_tokens     bigint,
  cache_creation_input_tokens bigint,         -- of every lifetime
  cache_creation_1h_input_tokens bigint,      -- those of them that live for an hour
  started_at                  timestamptz not null default now(),
  ended_at                    timestamptz
);
create index model_requests_by_session on model_requests (session_id);
create index model_requests_open on model_requests (started_at) where status = 'reserved';

-- ---- appending ----------------------------------------------------------------------------------

-- One batch of one epoch's worker, with the control plane's consequences among it (n is null there).
-- p_fold null: the batch does not change the fold. Returns the seq before the first event, or null
-- when epoch, n or fold version do not match: the caller finds out which and decides.
create function append_worker(
  p_tenant text, p_session text, p_epoch bigint, p_first_n bigint,
  p_ns bigint[], p_ids text[], p_types text[], p_payloads text[],
  p_subpaths text[], p_entries text[],
  p_fold_version bigint, p_fold text, p_state text, p_needs_worker boolean
) returns bigint language plpgsql as $$
declare
  v_base bigint; v_month date;
  v_count int := cardinality(p_ids);
  v_worker int := (select count(*) from unnest(p_ns) n where n is not null);
begin
  perform set_config('csp.tenant', p_tenant, true);
  update sessions set
      last_seq = last_seq + v_count,
      next_n = next_n + v_worker,
      fold = coalesce(p_fold::json, fold),
      fold_version = fold_version + (p_fold is not null)::int,
      state = coalesce(p_state, state),
      needs_worker = coalesce(p_needs_worker, needs_worker),
      last_event_at = now()
    where id = p_session and epoch = p_epoch and next_n = p_first_n and deleted_at is null
      and (p_fold is null or fold_version = p_fold_version)
    returning last_seq - v_count, month into v_base, v_month;
  if v_base is null then return null; end if;
  if v_count > 0 then
    insert into events (month, session_id, seq, tenant, epoch, n, id, type, payload)
      select v_month, p_session, v_base + e.o, p_tenant,
             case when e.n is null then null else p_epoch end, e.n, e.id, e.type, e.payload::json
      from unnest(p_ns, p_ids, p_types, p_payloads) with ordinality as e(n, id, type, payload, o);
  end if;
  if cardinality(p_entries) > 0 then
    insert into transcript_entries (month, session_id, tenant, epoch, subpath, entry)
      select v_month, p_session, p_tenant, p_epoch, t.subpath, t.entry
      from unnest(p_subpaths, p_entries) with ordinality as t(subpath, entry, o) order by t.o;
  end if;
  return v_base;
end $$;

-- Events of the control plane, with or without a worker alive. outcome:
--   appended   base is the seq before the first event
--   duplicate  one of the dedup keys is already there: base is that event's seq
--   stale      the fold moved on: read, fold and decide again
--   missing    no such session for this tenant
create function append_control(
  p_tenant text, p_session text,
  p_ids text[], p_types text[], p_payloads text[], p_dedup_keys text[],
  p_fold_version bigint, p_fold text, p_state text, p_needs_worker boolean,
  p_title text default null
) returns table (outcome text, base bigint) language plpgsql as $$
declare
  v_session sessions; v_seq bigint;
  v_count int := cardinality(p_ids);
begin
  perform set_config('csp.tenant', p_tenant, true);
  select * into v_session from sessions s where s.id = p_session and s.deleted_at is null for update;
  if not found then return query select 'missing', null::bigint; return; end if;
  select e.seq into v_seq from events e
    where e.month = v_session.month and e.session_id = p_session and e.dedup_key = any(p_dedup_keys)
    order by e.seq limit 1;
  if found then return query select 'duplicate', v_seq; return; end if;
  if p_fold is not null and v_session.fold_version <> p_fold_version then
    return query select 'stale', null::bigint; return;
  end if;
  update sessions set
      last_seq = last_seq + v_count,
      fold = coalesce(p_fold::json, fold),
      fold_version = fold_version + (p_fold is not null)::int,
      state = coalesce(p_state, state),
      needs_worker = coalesce(p_needs_worker, needs_worker),
      title = coalesce(p_title, title),
      last_event_at = now(), updated_at = now()
    where id = p_session;
  insert into events (month, session_id, seq, tenant, id, type, payload, dedup_key)
    select v_session.month, p_session, v_session.last_seq + e.o, p_tenant, e.id, e.type, e.payload::json, e.dedup_key
    from unnest(p_ids, p_types, p_payloads, p_dedup_keys) with ordinality as e(id, type, payload, dedup_key, o);
  return query select 'appended', v_session.last_seq;
end $$;

-- The bind transaction: a new epoch, the old binding ended and its handle revoked. Null when the
-- caller does not hold the session's lease any more.
create function open_epoch(
  p_tenant text, p_session text, p_holder text, p_worker text, p_endpoint text, p_handle_hash bytea
) returns bigint language plpgsql as $$
declare v_epoch bigint; v_seq bigint;
begin
  perform set_config('csp.tenant', p_tenant, true);
  update sessions set epoch = epoch + 1, next_n = 1, updated_at = now()
    where id = p_session and lease_holder = p_holder and lease_until > now() and deleted_at is null
    returning epoch, last_seq into v_epoch, v_seq;
  if v_epoch is null then return null; end if;
  update bindings set ended_at = now(), end_reason = coalesce(end_reason, 'replaced')
    where session_id = p_session and ended_at is null;
  insert into bindings (session_id, epoch, tenant, worker_id, endpoint, handle_hash, bound_seq)
    values (p_session, v_epoch, p_tenant, p_worker, p_endpoint, p_handle_hash, v_seq);
  return v_epoch;
end $$;

-- One session's row in one round trip.
create function load_session(p_tenant text, p_session text) returns setof sessions
  language plpgsql as $$
begin
  perform set_config('csp.tenant', p_tenant, true);
  return query select * from sessions s where s.id = p_session and s.deleted_at is null;
end $$;

-- A stretch of one log in one round trip.
create function read_log(p_tenant text, p_month date, p_session text, p_after bigint, p_limit int)
  returns table (seq bigint, id text, type text, payload text) language plpgsql as $$
begin
  perform set_config('csp.tenant', p_tenant, true);
  return query select e.seq, e.id, e.type, e.payload::text from events e
    where e.month = p_month and e.session_id = p_session and e.seq > p_after
    order by e.seq limit p_limit;
end $$;

-- ---- looking across tenants: ids and tenants only -----------------------------------------------

create function find_user_by_email(p_email text) returns table (tenant text, user_id text)
  language sql stable security definer set search_path = public as
  $$ select u.tenant, u.id from users u where lower(u.email) = lower(p_email) and u.disabled_at is null $$;

create function find_api_key(p_hash bytea) returns table (tenant text, user_id text, key_id text)
  language sql stable security definer set search_path = public as
  $$ select k.tenant, k.user_id, k.id from api_keys k join users u on u.id = k.user_id
     where k.hash = p_hash and k.revoked_at is null and u.disabled_at is null
       and (k.expires_at is null or k.expires_at > now()) $$;

create function find_web_session(p_hash bytea) returns table (tenant text, user_id text)
  language sql stable security definer set search_path = public as
  $$ select w.tenant, w.user_id from web_sessions w join users u on u.id = w.user_id
     where w.hash = p_hash and w.expires_at > now() and u.disabled_at is null $$;

create function redeem_login_link(p_hash bytea) returns table (tenant text, user_id text)
  language sql volatile security definer set search_path = public as
  $$ update login_links l set used_at = now()
     where l.hash = p_hash and l.used_at is null and l.expires_at > now()
     returning l.tenant, l.user_id $$;

create function find_handle(p_hash bytea) returns table (tenant text, session_id text, epoch bigint)
  language sql stable security definer set search_path = public as
  $$ select b.tenant, b.session_id, b.epoch from bindings b
     where b.handle_hash = p_hash and b.ended_at is null $$;

-- The duty to look after sessions: taken when free, renewed by its holder.
create function take_lease(p_tenant text, p_session text, p_holder text, p_seconds double precision)
  returns boolean language plpgsql as $$
begin
  perform set_config('csp.tenant', p_tenant, true);
  update sessions set lease_holder = p_holder, lease_until = now() + make_interval(secs => p_seconds)
    where id = p_session and deleted_at is null
      and (lease_holder = p_holder or lease_until is null or lease_until < now());
  return found;
end $$;

create function drop_lease(p_tenant text, p_session text, p_holder text)
  returns void language plpgsql as $$
begin
  perform set_config('csp.tenant', p_tenant, true);
  update sessions set lease_until = null where id = p_session and lease_holder = p_holder;
end $$;

create function renew_leases(p_holder text, p_sessions text[], p_seconds double precision)
  returns setof text language sql volatile security definer set search_path = public as
  $$ update sessions s set lease_until = now() + make_interval(secs => p_seconds)
     where s.id = any(p_sessions) and s.lease_holder = p_holder and s.lease_until > now()
     returning s.id $$;

-- Sessions with work to do that no living gateway looks after.
create function sessions_needing_worker(p_limit int) returns table (tenant text, session_id text)
  language sql stable security definer set search_path = public as
  $$ select s.tenant, s.id from sessions s
     where s.needs_worker and s.deleted_at is null and (s.lease_until is null or s.lease_until < now())
     order by s.lease_until nulls first limit p_limit $$;

-- Bound sessions in which nothing has happened for the given number of seconds.
create function sessions_idle_since(p_seconds double precision, p_limit int)
  returns table (tenant text, session_id text)
  language sql stable security definer set search_path = public as
  $$ select s.tenant, s.id from sessions s join bindings b on b.session_id = s.id and b.ended_at is null
     where s.state = 'active' and s.deleted_at is null
       and s.last_event_at < now() - make_interval(secs => p_seconds) limit p_limit $$;

-- How far each log has come: the read that a lost notification cannot prevent.
create function log_heads(p_sessions text[]) returns table (session_id text, last_seq bigint, epoch bigint)
  language sql stable security definer set search_path = public as
  $$ select s.id, s.last_seq, s.epoch from sessions s where s.id = any(p_sessions) $$;

-- Reservations that were never settled: whoever made them is gone.
create function unsettled_requests(p_seconds double precision, p_limit int)
  returns table (tenant text, session_id text, id text)
  language sql stable security definer set search_path = public as
  $$ select r.tenant, r.session_id, r.id from model_requests r
     where r.status = 'reserved' and r.started_at < now() - make_interval(secs => p_seconds)
     order by r.started_at limit p_limit $$;

create function live_workers() returns table (tenant text, session_id text, epoch bigint, worker_id text)
  language sql stable security definer set search_path = public as
  $$ select b.tenant, b.session_id, b.epoch, b.worker_id from bindings b where b.ended_at is null $$;

-- For metrics: numbers only.
create function session_counts() returns table (state text, count bigint)
  language sql stable security definer set search_path = public as
  $$ select s.state, count(*) from sessions s
     where s.deleted_at is null and s.archived_at is null group by s.state $$;

-- ---- row level security -------------------------------------------------------------------------

do $$
declare t text;
begin
  foreach t in array array['users', 'api_keys', 'web_sessions', 'login_links', 'audit_events', 'agents',
      'agent_versions', 'environments', 'sessions', 'bindings', 'events', 'transcript_entries', 'blobs',
      'model_requests'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I to csp_app using (tenant = csp_tenant()) with check (tenant = csp_tenant())', t);
    execute format('grant select, insert, update, delete on %I to csp_app', t);
  end loop;
  alter table tenants enable row level security;
  alter table tenants force row level security;
  create policy tenant on tenants to csp_app using (id = csp_tenant()) with check (id = csp_tenant());
  grant select, insert, update on tenants to csp_app;
  foreach t in array array['users', 'api_keys', 'web_sessions', 'login_links', 'sessions', 'bindings',
      'model_requests'] loop
    execute format('create policy definer on %I to csp_definer using (true)', t);
    execute format('grant select on %I to csp_definer', t);
  end loop;
  grant update on login_links to csp_definer;
  grant update (lease_until) on sessions to csp_definer;
end $$;
revoke update, delete on audit_events from csp_app;
revoke update on events, transcript_entries from csp_app;

do $$
declare f regprocedure;
begin
  for f in select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
           where n.nspname = 'public' and p.prosecdef and p.proname <> 'ensure_month' loop
    execute format('alter function %s owner to csp_definer', f);
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to csp_app', f);
  end loop;
end $$;
revoke all on function ensure_month(date) from public;
grant execute on function ensure_month(date) to csp_app;
revoke create on schema public from csp_definer;
