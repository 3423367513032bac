-- Let go of a lock, if it is still held under this token.
-- KEYS[1] the lock; ARGV: token
-- Reply: 1 if it was
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
