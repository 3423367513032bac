-- Somebody is to work on a run: whoever is preferred, else who became idle last, else who comes.
-- ARGV: run, invitation, how many containers, the one to prefer or '', how many invitations of a run
--       may wait, '1' if a container asks
-- Reply: {'over'} | {'ok', waiting invitations, calls that containers came of}
local run, invitation = ARGV[1], ARGV[2]
local waited = false
for _ = 1, tonumber(ARGV[3]) do
  local container = ARGV[4] ~= '' and redis.call('ZREM', key('idle'), ARGV[4]) == 1 and ARGV[4]
      or redis.call('ZPOPMAX', key('idle'))[1]
  if container then
    hand(invitation, run, container)
  elseif redis.call('LLEN', key('queue:' .. run)) < tonumber(ARGV[5]) then
    queue(invitation, run)
    waited = true
  end
end
if waited then
  order('wait', run)
  if ARGV[6] == '1' then call_client('') end
end
return {'ok', waiting(), redis.call('HLEN', key('came'))}
