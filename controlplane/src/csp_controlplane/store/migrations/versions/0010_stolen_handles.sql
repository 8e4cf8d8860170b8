-- A handle comes from its worker's own address, or from one that is no worker's, because networks may
-- hide addresses. From the address of another session's worker it was stolen: it is answered as one
-- that nobody knows. Locally workers have no addresses, and nothing is compared.

create function host_of(p_endpoint text) returns text language sql immutable parallel safe as
  $$ select trim(both '[]' from regexp_replace(p_endpoint, ':[0-9]+$', '')) $$;
create index bindings_live_hosts on bindings (host_of(endpoint)) where ended_at is null;

create function find_handle(p_hash bytea, p_peer text)
  returns table (tenant text, session_id text, epoch bigint)
  language sql stable security definer set search_path = public as
  $$ select b.tenant, b.session_id, b.epoch from bindings b
     where b.handle_hash = p_hash and b.ended_at is null
       and (host_of(b.endpoint) = p_peer or not exists (
         select from bindings o where host_of(o.endpoint) = p_peer and o.ended_at is null)) $$;

create function reserve_request(p_handle_hash bytea, p_peer text, p_id text, p_model text, p_maximum bigint)
  returns table (r_tenant text, r_session text, r_user text, r_epoch bigint, r_left bigint,
                 r_refused boolean, r_early boolean)
  language plpgsql as $$
declare v_budget bigint; v_spent bigint; v_fold json;
begin
  select h.tenant, h.session_id, h.epoch into r_tenant, r_session, r_epoch
    from find_handle(p_handle_hash, p_peer) h;
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

-- Proxies of the version before ask without an address until they are replaced.
create or replace function reserve_request(p_handle_hash bytea, p_id text, p_model text, p_maximum bigint)
  returns table (r_tenant text, r_session text, r_user text, r_epoch bigint, r_left bigint,
                 r_refused boolean, r_early boolean)
  language sql as $$ select * from reserve_request(p_handle_hash, null, p_id, p_model, p_maximum) $$;

grant create on schema public to csp_definer;
alter function find_handle(bytea, text) owner to csp_definer;
revoke all on function find_handle(bytea, text) from public;
grant execute on function find_handle(bytea, text) to csp_app;
revoke create on schema public from csp_definer;
