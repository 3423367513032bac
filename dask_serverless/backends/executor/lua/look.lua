-- The client is alive, and looks after its pool.
-- ARGV: runs that it waits for to be left by all
-- Reply: {'over'} | {'ok', waiting invitations, calls that containers came of, the runs that were left}
for _, name in ipairs({'alive', 'idle', 'runs', 'serving', 'came', 'ended', 'stopping', 'calls', 'orders'}) do touch(name) end
for _, run in ipairs(redis.call('LRANGE', key('runs'), 0, -1)) do touch('queue:' .. run) end
local served = {}
for _, run in ipairs(redis.call('HVALS', key('serving'))) do served[run] = true end
local left = {}
for _, run in ipairs(ARGV) do
  if not served[run] then
    left[#left + 1] = run
    redis.call('SREM', key('stopping'), run)
  end
end
return {'ok', waiting(), redis.call('HLEN', key('came')), left}
