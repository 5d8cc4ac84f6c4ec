#!lua
-- consolidate(a partition's next events) -> {COUNTED, new} | {MOVED} | {SEALED, sealed} | {AHEAD}
--
-- Counts the events of some offsets of a partition once, in one atomic step together with how far the partition
-- has been read, or writes nothing. MOVED: these are not the next offsets, whoever counted them or lost them.
-- SEALED: they are, and can't be counted in this minute any more. AHEAD: they are, and have to wait until
-- partitions that are further behind have ended the minutes that fill Redis. Errors LAYOUT, UNOPENED, OOM and
-- GARBLED: as in accept.lua. Loaded behind count.lua.
--
-- KEYS[1] tally:sealed            read
-- KEYS[2] tally:requests          `<partition>:next`, `<partition>:time` move on
-- KEYS[3] tally:pending           gains the minute with its first event
-- KEYS[4] tally:ids:<minute>      gains the ids new in the minute, in order
-- KEYS[5] tally:stats:<minute>    unique and total grow
-- KEYS[6] <minute>_               what the names of the counts begin with; <minute>_<id> grows by one an event
-- KEYS[7] tally:layout            read
-- ARGV[1] the minute, yyyyMMddHHmm
-- ARGV[2] the partition
-- ARGV[3] the first of the offsets
-- ARGV[4] the offset after the last of them
-- ARGV[5] the highest append time before that offset, in milliseconds
-- ARGV[6] one id an event, with spaces between them, at most 1,000; empty where only time goes on
-- ARGV[7] the number of buckets that this one is one of
local COUNTED, MOVED, SEALED, AHEAD = 1, 2, 3, 4

-- Of maxmemory. From there on room is left for partitions behind, up to where nothing is counted any more.
local CROWDED = 0.5
local LEAD_MS = 60000

-- Whether this partition has been read further than the one that is furthest behind.
local function is_ahead()
  local progress, times, slowest = redis.call('HGETALL', KEYS[2]), {}, math.huge
  for i = 1, #progress, 2 do
    times[progress[i]] = tonumber(progress[i + 1])
  end
  for name in pairs(times) do
    local partition = string.match(name, '^(%d+):next$')
    if partition then
      slowest = math.min(slowest, times[partition .. ':time'] or 0)
    end
  end
  return (times[ARGV[2] .. ':time'] or 0) - slowest > LEAD_MS
end

local wrong = misfit(KEYS[7], ARGV[7])
if wrong then
  return wrong
end

local next
next, wrong = ask('HGET', KEYS[2], ARGV[2] .. ':next')
if wrong then
  return wrong
end
if next ~= ARGV[3] then
  return {MOVED}
end

local new = 0
if ARGV[6] ~= '' then
  local sealed
  sealed, wrong = read_sealed(KEYS[1])
  if wrong then
    return wrong
  end
  if ARGV[1] <= sealed then
    return {SEALED, sealed}
  end
  local used = fullness()
  if used > CROWDED and is_ahead() then
    return {AHEAD}
  end
  if used > FULL then
    return full()
  end
  new = count(KEYS[6], KEYS[4], KEYS[5], KEYS[3], ARGV[1], ARGV[6])
  if type(new) == 'table' then
    return new
  end
end
redis.call('HSET', KEYS[2], ARGV[2] .. ':next', ARGV[4], ARGV[2] .. ':time', ARGV[5])
return {COUNTED, new}
