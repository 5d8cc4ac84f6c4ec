#!lua flags=allow-oom
-- settle(minute, chunk) -> how many ids are left
--
-- Deletes the next chunk of a published minute's counts, found by its index; with the last one also the
-- rest of the minute. A crash between two chunks loses nothing: the index still names what is left.
-- Idempotent at its end. Refuses a minute that is not sealed: it could still be counting.
--
-- KEYS[1] tally:sealed            read
-- KEYS[2] tally:settled           moved on to the minute with the last chunk, never back
-- KEYS[3] tally:pending           loses the minute with the last chunk
-- KEYS[4] tally:ids:<minute>      shrinks
-- KEYS[5] tally:stats:<minute>    deleted with the last chunk
-- KEYS[6] <minute>_               what the names of the counts begin with; deleted
-- ARGV[1] the minute, yyyyMMddHHmm
-- ARGV[2] ids a chunk, at most 1,000
local minute = ARGV[1]
local sealed = redis.call('GET', KEYS[1])
if not sealed or minute > sealed then
  return redis.error_reply('NOTSEALED ' .. minute .. ' is not sealed: it must not be settled')
end

local names = redis.call('LPOP', KEYS[4], ARGV[2])
if names then
  for i = 1, #names do
    names[i] = KEYS[6] .. names[i]
  end
  redis.call('UNLINK', unpack(names))
end

local left = redis.call('LLEN', KEYS[4])
if left == 0 then
  redis.call('DEL', KEYS[5])
  redis.call('ZREM', KEYS[3], minute)
  local settled = redis.call('GET', KEYS[2])
  if not settled or settled < minute then
    redis.call('SET', KEYS[2], minute)
  end
end
return left
