-- Working directories as checkpoints: rows here, pieces in an object store (this database, where no
-- other one is named). What archives held before is not carried over.

drop function publish_workspace(text, text, bigint, text, bigint, text, bigint, integer, text);
drop table workspace_chunks, workspaces;

-- Of a fork: the first session of its line, under whose name the line's pieces are kept.
alter table sessions
  add column lineage           text,
  add column chosen_checkpoint text;           -- the next bind restores it, whatever is there

create table checkpoints (
  session_id  text not null references sessions on delete cascade,
  id          text not null,                   -- ULIDs, so later is greater
  tenant      text not null references tenants,
  epoch       bigint not null,                 -- 0: came with the fork
  seq         bigint not null,                 -- last_seq when the directory was looked at
  checked_seq bigint not null,                 -- up to here the directory was found unchanged
  manifest    bytea not null,                  -- sha256, as the pieces are named
  pieces      bytea not null,                  -- sha256 of each, one after the other
  files       bigint not null,
  bytes       bigint not null,
  left_out    json not null,
  fingerprint text not null,                   -- the worker's
  saved_at    timestamptz not null default now(),
  primary key (session_id, id)
);

-- What the object store holds of each lineage.
create table pieces (
  tenant  text not null references tenants,
  lineage text not null,
  sha256  bytea not null,
  bytes   integer not null,
  used_at timestamptz not null default now(), -- a checkpoint named it, or is about to
  primary key (tenant, lineage, sha256)
);

-- The object store of an installation that names no other one.
create table objects (
  tenant text not null references tenants,
  key    text not null,
  data   bytea not null,
  primary key (tenant, key)
);
alter table objects alter column data set storage external;  -- compressed already, or not worth it

do $$
declare t text;
begin
  foreach t in array array['checkpoints', 'pieces', 'objects'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I to csp_app using (tenant = csp_tenant()) with check (tenant = csp_tenant())', t);
    execute format('grant select, insert, update, delete on %I to csp_app', t);
  end loop;
end $$;
