#!lua
-- consolidate(a partition's next events) -> {COUNTED, new} | {MOVED} | {SEALED, sealed}
--
-- Counts the events of some offsets of a partition once, in one atomic step together with how far the partition
-- has been read, or writes nothing. MOVED: these are not the next offsets, whoever counted them or lost them.
-- SEALED: they are, and can't be counted in this minute any more. Error OOM: as in accept.lua.
-- Loaded behind count.lua.
--
-- KEYS[1] tally:sealed            read
-- KEYS[2] tally:requests          `<partition>:next`, `<partition>:time` move on
-- KEYS[3] tally:pending           gains the minute with its first event
-- KEYS[4] tally:ids:<minute>      gains the ids new in the minute, in order
-- KEYS[5] tally:stats:<minute>    unique and total grow
-- KEYS[6] <minute>_               what the names of the counts begin with; <minute>_<id> grows by one an event
-- ARGV[1] the minute, yyyyMMddHHmm
-- ARGV[2] the partition
-- ARGV[3] the first of the offsets
-- ARGV[4] the offset after the last of them
-- ARGV[5] the highest append time before that offset, in milliseconds
-- ARGV[6] one id an event, with spaces between them, at most 1,000; empty where only time goes on
local COUNTED, MOVED, SEALED = 1, 2, 3

local next = redis.call('HGET', KEYS[2], ARGV[2] .. ':next')
if next ~= ARGV[3] then
  return {MOVED}
end

local new = 0
if ARGV[6] ~= '' then
  local sealed = redis.call('GET', KEYS[1]) or ''
  if ARGV[1] <= sealed then
    return {SEALED, sealed}
  end
  if is_full() then
    return full()
  end
  new = count(KEYS[6], KEYS[4], KEYS[5], KEYS[3], ARGV[1], ARGV[6])
end
redis.call('HSET', KEYS[2], ARGV[2] .. ':next', ARGV[4], ARGV[2] .. ':time', ARGV[5])
return {COUNTED, new}
