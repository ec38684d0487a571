-- How often in a row a run was picked up after a crash without getting any further: a run that brings the process down each time
-- shall not do so for ever.
alter table runs add column pickups int not null default 0;
