-- A page of the log as one text, for readers that pass events on as they are: taking rows apart and
-- joining them again would cost the gateway most of a replay. It ends early, after the event with which
-- it reaches p_bytes, because the gateway holds all of it.

create function read_log_text(
  p_tenant text, p_month date, p_session text, p_after bigint, p_limit int, p_bytes bigint
) returns table (first_seq bigint, last_seq bigint, events text) language plpgsql as $$
begin
  perform set_config('csp.tenant', p_tenant, true);
  return query select min(e.seq), max(e.seq), string_agg(e.body, ',' order by e.seq) from (
    select l.seq, l.body, sum(octet_length(l.body)) over (order by l.seq) - octet_length(l.body) as before
      from (select r.seq, r.payload::text as body from events r
        where r.month = p_month and r.session_id = p_session and r.seq > p_after
        order by r.seq limit p_limit) l) e
    where e.before < p_bytes having count(*) > 0;
end $$;
