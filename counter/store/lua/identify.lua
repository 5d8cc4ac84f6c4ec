#!lua flags=allow-oom
-- identify(name) -> nothing
--
-- Names this Redis, unless it has a name: it keeps that for good. Idempotent, and always a write, so that
-- WAITAOF waits for a name that an earlier call has given. Runs also when Redis is out of memory: publishing,
-- which frees it, begins with this.
--
-- KEYS[1] tally:id     set
-- ARGV[1] a random name
redis.call('SET', KEYS[1], redis.call('GET', KEYS[1]) or ARGV[1])
