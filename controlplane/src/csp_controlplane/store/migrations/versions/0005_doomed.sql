-- Each object of the store has a row from before it is written until after it is removed. The name of
-- an object is never used again, so that a removal that comes late hits nothing else.

alter table pieces
  alter column bytes drop not null,            -- null: announced, and perhaps written
  add column key    text,                      -- of the object, below the tenant
  add column doomed boolean not null default false; -- no checkpoint may name it any more

-- The owner of a table is bound by its policies too, as long as they are forced.
alter table pieces no force row level security;
update pieces set key = lineage || '/' || encode(sha256, 'hex');
alter table pieces force row level security;

alter table pieces
  alter column key set not null,
  drop constraint pieces_pkey,
  add primary key (tenant, key);
create unique index pieces_in_use on pieces (tenant, lineage, sha256) where not doomed;
create index pieces_doomed on pieces (tenant, lineage) where doomed;

-- Why the erasure of the session was begun: asked, or retention. It is gone on with until it is done.
alter table sessions add column erasing text;
create index sessions_erasing on sessions (id) where erasing is not null and deleted_at is null;

drop function sessions_older_than(double precision, int);

-- Those whose erasure was begun come first. 0 days: no others.
create function sessions_to_erase(p_days double precision, p_limit int)
  returns table (tenant text, session_id text)
  language sql stable security definer set search_path = public as
  $$ (select s.tenant, s.id from sessions s where s.erasing is not null and s.deleted_at is null
      order by s.id limit p_limit)
     union all
     (select s.tenant, s.id from sessions s
      where p_days > 0 and s.deleted_at is null and s.erasing is null
        and not s.needs_worker and s.state <> 'running'
        and s.last_event_at < now() - make_interval(secs => p_days * 86400)
      order by s.last_event_at limit p_limit)
     limit p_limit $$;

create function lineages_with_doomed_pieces() returns table (tenant text, lineage text)
  language sql stable security definer set search_path = public as
  $$ select distinct p.tenant, p.lineage from pieces p where p.doomed order by 1, 2 $$;

-- ---- rights -------------------------------------------------------------------------------------

grant create on schema public to csp_definer;
create policy definer on pieces to csp_definer using (true);
grant select on pieces to csp_definer;
do $$
declare f regprocedure;
begin
  foreach f in array array['sessions_to_erase(double precision,int)',
      'lineages_with_doomed_pieces()']::regprocedure[] loop
    execute format('alter function %s owner to csp_definer', f);
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to csp_app', f);
  end loop;
end $$;
revoke create on schema public from csp_definer;
