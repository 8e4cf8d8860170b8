-- What sessions need to live in pods: which resource a session was born as, what it may spend, and
-- its working directory while no worker has it.

alter table sessions add column budget_microusd bigint check (budget_microusd >= 0);

-- Who a handle belongs to and the reservation in one round trip: it is on the way to the first token.
-- A request begins while something of the session's budget is left, reservations counted, so that the
-- budget is overdrawn by one request at most. Its commit does not wait for the disk: the settlement
-- writes the whole row again. No row: the handle is unknown or its epoch has ended.
create function reserve_request(p_handle_hash bytea, p_id text, p_model text, p_maximum bigint)
  returns table (r_tenant text, r_session text, r_user text, r_epoch bigint, r_left bigint, r_refused boolean)
  language plpgsql as $$
declare v_budget bigint; v_spent bigint;
begin
  select h.tenant, h.session_id, h.epoch into r_tenant, r_session, r_epoch from find_handle(p_handle_hash) h;
  if not found then return; end if;
  perform set_config('csp.tenant', r_tenant, true), set_config('synchronous_commit', 'off', true);
  select s.owner, s.budget_microusd into r_user, v_budget from sessions s where s.id = r_session;
  r_refused := false;
  if v_budget is not null then
    perform pg_advisory_xact_lock(hashtext('csp.budget.' || r_session));
    select coalesce(sum(coalesce(m.cost_microusd, m.reserved_microusd)), 0) into v_spent
      from model_requests m where m.session_id = r_session;
    r_left := v_budget - v_spent;
    r_refused := r_left <= 0;
    r_left := greatest(r_left - p_maximum, 0);
  end if;
  if not r_refused then
    insert into model_requests (id, tenant, session_id, user_id, epoch, model, reserved_microusd)
      values (p_id, r_tenant, r_session, r_user, r_epoch, p_model, p_maximum);
  end if;
  return next;
end $$;

-- ---- working directories ------------------------------------------------------------------------

-- The newest archive of a session's working directory. too_large: there is none, because the
-- directory was over the limit at this point of the log.
create table workspaces (
  session_id  text primary key references sessions on delete cascade,
  tenant      text not null references tenants,
  version     text not null,                  -- of its chunks; ULIDs, so later is greater
  epoch       bigint not null,
  seq         bigint not null,                -- last_seq when the archive was begun
  outcome     text not null check (outcome in ('stored', 'too_large')),
  bytes       bigint not null,                -- of the archive
  chunks      integer not null,
  fingerprint text not null,                  -- the worker's, of names, sizes and times
  saved_at    timestamptz not null default now()
);

create table workspace_chunks (
  session_id text not null references sessions on delete cascade,
  version    text not null,
  n          integer not null,                -- from 0
  tenant     text not null references tenants,
  data       bytea not null,
  primary key (session_id, version, n)
);
alter table workspace_chunks alter column data set storage external;  -- compressed already

-- Makes chunks that are all there the session's archive. False when the epoch is over: whoever
-- wrote them is not the session's worker any more.
create function publish_workspace(
  p_tenant text, p_session text, p_epoch bigint, p_version text, p_seq bigint, p_outcome text,
  p_bytes bigint, p_chunks int, p_fingerprint text
) returns boolean language plpgsql as $$
begin
  perform set_config('csp.tenant', p_tenant, true);
  perform 1 from sessions s
    where s.id = p_session and s.epoch = p_epoch and s.deleted_at is null for share;
  if not found then
    delete from workspace_chunks c where c.session_id = p_session and c.version = p_version;
    return false;
  end if;
  insert into workspaces as w (session_id, tenant, version, epoch, seq, outcome, bytes, chunks, fingerprint)
    values (p_session, p_tenant, p_version, p_epoch, p_seq, p_outcome, p_bytes, p_chunks, p_fingerprint)
    on conflict (session_id) do update set
      version = excluded.version, epoch = excluded.epoch, seq = excluded.seq, outcome = excluded.outcome,
      bytes = excluded.bytes, chunks = excluded.chunks, fingerprint = excluded.fingerprint, saved_at = now();
  delete from workspace_chunks c where c.session_id = p_session and c.version < p_version;
  return true;
end $$;

-- ---- looking across tenants: ids and tenants only -----------------------------------------------

-- The sessions that were born as these resources, or that have these ids.
create function sessions_of_resources(p_uids text[], p_ids text[])
  returns table (tenant text, session_id text, origin_uid text, deleted boolean)
  language sql stable security definer set search_path = public as
  $$ select s.tenant, s.id, s.origin_uid, s.deleted_at is not null from sessions s
     where s.origin_uid = any(p_uids) or s.id = any(p_ids) $$;

-- Sessions that live on a resource: for whoever finds out that it is gone.
create function sessions_on_resources() returns table (tenant text, session_id text, origin_uid text)
  language sql stable security definer set search_path = public as
  $$ select s.tenant, s.id, s.origin_uid from sessions s
     where s.origin = 'resource' and s.deleted_at is null and s.state not in ('paused', 'completed') $$;

-- ---- rights -------------------------------------------------------------------------------------

grant create on schema public to csp_definer;
do $$
declare t text; f regprocedure;
begin
  foreach t in array array['workspaces', 'workspace_chunks'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I to csp_app using (tenant = csp_tenant()) with check (tenant = csp_tenant())', t);
    execute format('grant select, insert, update, delete on %I to csp_app', t);
  end loop;
  foreach f in array array['sessions_of_resources(text[],text[])', 'sessions_on_resources()']::regprocedure[] loop
    execute format('alter function %s owner to csp_definer', f);
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to csp_app', f);
  end loop;
end $$;
revoke create on schema public from csp_definer;
