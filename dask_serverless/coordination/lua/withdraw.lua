-- The run will not be submitted: containers that wait for it look, and find nothing.
-- Reply: {'ok'}
redis.call('XADD', key('begun'), '*', 'b', '0')
redis.call('EXPIRE', key('begun'), 1) -- not removed at once: those who wait would not be woken
return {'ok'}
