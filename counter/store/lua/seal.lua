#!lua flags=allow-oom
-- seal(minute) -> the last sealed minute, yyyyMMddHHmm
--
-- Moves tally:sealed on to the minute, never back. From then on accept.lua writes nothing into it or into
-- any minute before it. Idempotent, and always a write, so that WAITAOF waits for what came before it. Runs
-- also when Redis is out of memory: it is how memory is freed.
--
-- KEYS[1] tally:sealed      read, moved on
-- ARGV[1] the minute, yyyyMMddHHmm
local sealed = redis.call('GET', KEYS[1])
local last = sealed and sealed > ARGV[1] and sealed or ARGV[1]
redis.call('SET', KEYS[1], last)
return last
