-- The client gives the run up: what containers at work took of it until now is noted, as where a run fails.
-- Reply: {'lost'} | {'ok'}
if not over then untold_by_all() end
return {'ok'}
