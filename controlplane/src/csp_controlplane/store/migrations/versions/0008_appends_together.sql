-- append_worker for many sessions of one tenant at once, each of them at most once: one statement, one
-- commit. The arrays p_sessions to p_needs_worker have an element per batch; those of events and of
-- transcript lines are of all batches, and say by its place (from 1) to which batch each belongs.
-- Returns, per batch, the seq before its first event, or null where it does not match. A batch that
-- has to wait for its session's row for more than p_patience makes all of it fail, so that nobody
-- waits for another's session.

create function append_workers(
  p_tenant text, p_patience interval,
  p_sessions text[], p_epochs bigint[], p_first_ns bigint[], p_counts int[], p_worker_counts int[],
  p_fold_versions bigint[], p_folds text[], p_states text[], p_needs_worker boolean[],
  p_event_batches int[], p_event_places int[],
  p_ns bigint[], p_ids text[], p_types text[], p_payloads text[],
  p_entry_batches int[], p_subpaths text[], p_entries text[]
) returns bigint[] language plpgsql as $$
declare
  v_bases bigint[];
begin
  perform set_config('csp.tenant', p_tenant, true),
          set_config('lock_timeout', (extract(epoch from p_patience) * 1000)::int::text, true);
  with batches as (
    select * from unnest(p_sessions, p_epochs, p_first_ns, p_counts, p_worker_counts, p_fold_versions,
                         p_folds, p_states, p_needs_worker) with ordinality
      as b(session, epoch, first_n, events, worker_events, fold_version, fold, state, needs_worker, place)
  ), advanced as (
    update sessions s set
        last_seq = s.last_seq + b.events,
        next_n = s.next_n + b.worker_events,
        fold = coalesce(b.fold::json, s.fold),
        fold_version = s.fold_version + (b.fold is not null)::int,
        state = coalesce(b.state, s.state),
        needs_worker = coalesce(b.needs_worker, s.needs_worker),
        last_event_at = now()
      from batches b
      where s.id = b.session and s.epoch = b.epoch and s.next_n = b.first_n and s.deleted_at is null
        and (b.fold is null or s.fold_version = b.fold_version)
      returning b.place, s.id, s.month, s.epoch, s.last_seq - b.events as base
  ), new_events as (
    insert into events (month, session_id, seq, tenant, epoch, n, id, type, payload)
      select a.month, a.id, a.base + e.place, p_tenant,
             case when e.n is null then null else a.epoch end, e.n, e.event_id, e.type, e.payload::json
      from unnest(p_event_batches, p_event_places, p_ns, p_ids, p_types, p_payloads)
             as e(batch, place, n, event_id, type, payload)
        join advanced a on a.place = e.batch
  ), new_entries as (
    insert into transcript_entries (month, session_id, tenant, epoch, subpath, entry)
      select a.month, a.id, p_tenant, a.epoch, t.subpath, t.entry
      from unnest(p_entry_batches, p_subpaths, p_entries) with ordinality as t(batch, subpath, entry, o)
        join advanced a on a.place = t.batch
      order by t.o
  )
  select array_agg(a.base order by b.place) into v_bases from batches b left join advanced a using (place);
  return v_bases;
end $$;
