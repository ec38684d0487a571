-- Pages of the list of runs by one filter, newest first: without these a rare status or trigger is looked for through all runs.
create index runs_by_status on runs (workspace_id, project_id, status, id desc);
create index runs_by_trigger on runs (workspace_id, project_id, trigger, id desc);
