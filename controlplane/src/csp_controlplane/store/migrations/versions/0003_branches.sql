-- Sessions that begin as another one's, links that show a session to whoever has them, and the ways
-- in which what was kept goes again.

-- ---- forks --------------------------------------------------------------------------------------

-- The first forked_seq events of a fork are copies of its parent's, seq for seq, with the same ids.
alter table sessions
  add column parent         text references sessions,
  add column forked_seq     bigint,
  add column forked_message text,               -- the parent's message that the fork stands before
  add constraint sessions_fork check ((parent is null) = (forked_seq is null));
create index sessions_by_parent on sessions (parent) where parent is not null;

-- The first p_events events and p_lines lines of the transcript (null: all) of one session become
-- another's. What a worker wrote has no epoch in the copy: no worker of the new session wrote it.
create function copy_log(
  p_tenant text, p_from text, p_to text, p_events bigint, p_before_line bigint
) returns void language plpgsql as $$
declare v_from sessions; v_to sessions;
begin
  perform set_config('csp.tenant', p_tenant, true);
  select * into strict v_from from sessions s where s.id = p_from;
  select * into strict v_to from sessions s where s.id = p_to;
  insert into events (month, session_id, seq, tenant, id, type, payload, created_at)
    select v_to.month, p_to, e.seq, p_tenant, e.id, e.type, e.payload, e.created_at
    from events e where e.month = v_from.month and e.session_id = p_from and e.seq <= p_events;
  insert into transcript_entries (month, session_id, tenant, epoch, subpath, entry)
    select v_to.month, p_to, p_tenant, 0, t.subpath, t.entry
    from transcript_entries t
    where t.month = v_from.month and t.session_id = p_from
      and (p_before_line is null or t.ordinal < p_before_line)
    order by t.ordinal;
end $$;

-- ---- links --------------------------------------------------------------------------------------

create table shares (
  id           text primary key,
  tenant       text not null references tenants,
  session_id   text not null references sessions on delete cascade,
  created_by   text not null references users,
  hash         bytea not null unique,         -- sha256 of the token in the link
  hint         text not null,                 -- first characters, for lists
  through_seq  bigint not null,               -- what is said later is not shown
  created_at   timestamptz not null default now(),
  expires_at   timestamptz not null,
  revoked_at   timestamptz,
  opened       bigint not null default 0,
  opened_at    timestamptz
);
create index shares_by_session on shares (session_id, created_at desc);

create function find_share(p_hash bytea)
  returns table (tenant text, share_id text, session_id text)
  language sql stable security definer set search_path = public as
  $$ select h.tenant, h.id, h.session_id from shares h join sessions s on s.id = h.session_id
     where h.hash = p_hash and h.revoked_at is null and h.expires_at > now()
       and s.deleted_at is null $$;

-- ---- what goes again ----------------------------------------------------------------------------

-- Sessions in which nothing has happened for so long; none that runs or waits for a worker.
create function sessions_older_than(p_days double precision, p_limit int)
  returns table (tenant text, session_id text)
  language sql stable security definer set search_path = public as
  $$ select s.tenant, s.id from sessions s
     where s.deleted_at is null and not s.needs_worker and s.state <> 'running'
       and s.last_event_at < now() - make_interval(secs => p_days * 86400)
     order by s.last_event_at limit p_limit $$;

-- Every session of one month that is not deleted, and whether anybody still uses it.
create function sessions_of_month(p_month date)
  returns table (tenant text, session_id text, last_event_at timestamptz, bound boolean)
  language sql stable security definer set search_path = public as
  $$ select s.tenant, s.id, s.last_event_at,
            exists (select from bindings b where b.session_id = s.id and b.ended_at is null)
     from sessions s where s.month = p_month and s.deleted_at is null $$;

create function session_months() returns table (month date, sessions bigint, deleted bigint)
  language sql stable security definer set search_path = public as
  $$ select s.month, count(*), count(s.deleted_at) from sessions s group by s.month order by 1 $$;

-- ---- rights -------------------------------------------------------------------------------------

grant create on schema public to csp_definer;
alter table shares enable row level security;
alter table shares force row level security;
create policy tenant on shares to csp_app using (tenant = csp_tenant()) with check (tenant = csp_tenant());
create policy definer on shares to csp_definer using (true);
grant select, insert, update, delete on shares to csp_app;
grant select on shares to csp_definer;
do $$
declare f regprocedure;
begin
  foreach f in array array['find_share(bytea)', 'sessions_older_than(double precision,int)',
      'sessions_of_month(date)', 'session_months()']::regprocedure[] loop
    execute format('alter function %s owner to csp_definer', f);
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to csp_app', f);
  end loop;
end $$;
revoke create on schema public from csp_definer;
