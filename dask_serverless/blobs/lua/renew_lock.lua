-- Whoever holds a lock under this token is alive: it lasts for another lease.
-- KEYS[1] the lock; ARGV: token, lease (ms)
-- Reply: 1 if it is still held under this token
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
