#!lua
-- adopt(stray count, minute) -> {the count, 0 when it was gone} | {-1} when the minute is sealed
--
-- Gives a count that no index knows to a minute that is not sealed: its own, or a later one. Idempotent: a
-- second time the stray is gone, or known.
--
-- KEYS[1] tally:sealed            read
-- KEYS[2] tally:pending           gains the minute
-- KEYS[3] <stray minute>_<id>     deleted, unless it is KEYS[6]
-- KEYS[4] tally:ids:<minute>      gains the id, if it is new in the minute
-- KEYS[5] tally:stats:<minute>    unique and total grow
-- KEYS[6] <minute>_<id>           grows by the count
-- KEYS[7] tally:ids:<stray minute>    both are deleted where the stray minute is not pending: they are
-- KEYS[8] tally:stats:<stray minute>  strays themselves
-- ARGV[1] the minute, yyyyMMddHHmm
-- ARGV[2] the stray minute, yyyyMMddHHmm
-- ARGV[3] the id
local sealed = redis.call('GET', KEYS[1])
if sealed and ARGV[1] <= sealed then
  return {-1}
end
local count = tonumber(redis.call('GET', KEYS[3]) or 0)
if count == 0 then
  return {0}
end
if not redis.call('ZSCORE', KEYS[2], ARGV[2]) then
  redis.call('DEL', KEYS[7], KEYS[8])
end

local is_new = true
if KEYS[3] == KEYS[6] then
  redis.call('PERSIST', KEYS[6])
else
  is_new = redis.call('INCRBY', KEYS[6], count) == count
  redis.call('DEL', KEYS[3])
end
if is_new then
  redis.call('RPUSH', KEYS[4], ARGV[3])
  redis.call('HINCRBY', KEYS[5], 'unique', 1)
end
redis.call('HINCRBY', KEYS[5], 'total', count)
redis.call('ZADD', KEYS[2], ARGV[1], ARGV[1])
return {count}
