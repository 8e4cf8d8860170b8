-- read_log that ends early, after the event with which it reaches p_bytes, because the gateway holds
-- all of it. read_log itself stays for the gateways of the release before, which run until they are
-- replaced.

create function read_log_page(
  p_tenant text, p_month date, p_session text, p_after bigint, p_limit int, p_bytes bigint
) returns table (seq bigint, id text, type text, payload text) language plpgsql as $$
declare v_bytes bigint := 0;
begin
  perform set_config('csp.tenant', p_tenant, true);
  for seq, id, type, payload in
    select e.seq, e.id, e.type, e.payload::text from events e
      where e.month = p_month and e.session_id = p_session and e.seq > p_after
      order by e.seq limit p_limit
  loop
    return next;
    v_bytes := v_bytes + octet_length(payload);
    exit when v_bytes >= p_bytes;
  end loop;
end $$;
