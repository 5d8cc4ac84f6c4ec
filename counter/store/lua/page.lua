#!lua flags=no-writes
-- page(minute, start, limit) -> {arrival number of the page's first id, its ids, their counts}
--
-- Some ids of a minute with their counts, as they are at one moment. An id is found by its arrival number,
-- which stays the same while the flush takes ids away from the index's head. Writes nothing.
--
-- KEYS[1] tally:ids:<minute>      read
-- KEYS[2] tally:stats:<minute>    read
-- KEYS[3] <minute>_               what the names of the counts begin with; read
-- ARGV[1] arrival number to start from, 0 for the first
-- ARGV[2] ids a page, at most 1,000
local unique = tonumber(redis.call('HGET', KEYS[2], 'unique') or 0)
local settled = unique - redis.call('LLEN', KEYS[1])
local start = math.max(tonumber(ARGV[1]), settled)
local ids = redis.call('LRANGE', KEYS[1], start - settled, start - settled + ARGV[2] - 1)
if #ids == 0 then
  return {start, {}, {}}
end
local names = {}
for i = 1, #ids do
  names[i] = KEYS[3] .. ids[i]
end
return {start, ids, redis.call('MGET', unpack(names))}
