-- A worker gives its CLI a message while the turn's beginning is on its way into the log. Until it is
-- there (a message waits and no turn runs) nothing is reserved and the request is early: it is to be
-- asked about again.

drop function reserve_request(bytea, text, text, bigint);
create function reserve_request(p_handle_hash bytea, p_id text, p_model text, p_maximum bigint)
  returns table (r_tenant text, r_session text, r_user text, r_epoch bigint, r_left bigint,
                 r_refused boolean, r_early boolean)
  language plpgsql as $$
declare v_budget bigint; v_spent bigint; v_fold json;
begin
  select h.tenant, h.session_id, h.epoch into r_tenant, r_session, r_epoch from find_handle(p_handle_hash) h;
  if not found then return; end if;
  perform set_config('csp.tenant', r_tenant, true), set_config('synchronous_commit', 'off', true);
  select s.owner, s.budget_microusd, s.fold into r_user, v_budget, v_fold from sessions s where s.id = r_session;
  r_refused := false;
  r_early := coalesce(json_array_length(v_fold -> 'queue') > 0, false) and (v_fold ->> 'turn') is null;
  if r_early then return next; return; end if;
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
