#!lua
-- carry(minute, home, chunk) -> how many ids are left, -1 where the home is sealed
--
-- Moves the next chunk of a sealed minute's counts, found by its index, to a home that is not sealed; with the
-- last one the minute is over. A crash between two chunks loses nothing, and doubles nothing.
--
-- KEYS[1] tally:sealed            read
-- KEYS[2] tally:pending           gains the home; loses the minute with the last chunk
-- KEYS[3] tally:ids:<minute>      shrinks
-- KEYS[4] tally:stats:<minute>    deleted with the last chunk
-- KEYS[5] <minute>_               what the names of its counts begin with; deleted
-- KEYS[6] tally:ids:<home>        gains the ids new in the home, in order
-- KEYS[7] tally:stats:<home>      unique and total grow
-- KEYS[8] <home>_                 <home>_<id> grows by the count
-- ARGV[1] the minute, yyyyMMddHHmm
-- ARGV[2] the home, yyyyMMddHHmm, a later minute
-- ARGV[3] ids a chunk, at most 1,000
local sealed = redis.call('GET', KEYS[1])
if not sealed or ARGV[1] > sealed then
  return redis.error_reply('NOTSEALED ' .. ARGV[1] .. ' is not sealed: calls still count in it')
end
if ARGV[2] <= sealed then
  return -1
end

local new, calls = 0, 0
for _, id in ipairs(redis.call('LPOP', KEYS[3], ARGV[3]) or {}) do
  local count = tonumber(redis.call('GET', KEYS[5] .. id) or 0)
  if count > 0 and redis.call('INCRBY', KEYS[8] .. id, count) == count then
    redis.call('RPUSH', KEYS[6], id)
    new = new + 1
  end
  redis.call('DEL', KEYS[5] .. id)
  calls = calls + count
end
if calls > 0 then
  redis.call('HINCRBY', KEYS[7], 'unique', new)
  redis.call('HINCRBY', KEYS[7], 'total', calls)
  redis.call('ZADD', KEYS[2], ARGV[2], ARGV[2])
end

local left = redis.call('LLEN', KEYS[3])
if left == 0 then
  redis.call('DEL', KEYS[4])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return left
