-- For transactions that leave in one packet with their commit: there what they rest on must fail inside the database.

-- Locks a grant until the transaction ends, and ends the transaction where somebody else has taken the lease over.
create function hold_grant(p_id text, p_fence bigint) returns void language plpgsql as $$
begin
  perform 1 from grants where connection_id = p_id and fence = p_fence for update;
  if not found then
    raise exception 'the lease of % went to somebody else', p_id using errcode = 'ARL01';
  end if;
end $$;
