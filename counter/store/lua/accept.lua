#!lua
-- accept(writer's batch of ids) -> {COUNTED, new} | {REPEATED} | {REPEATED, new} | {REFUSED, now, sealed}
--
-- Counts a batch once, in one atomic step, or writes nothing. `new` is how many of its ids are new in the
-- minute. Error LAYOUT: ids are spread over another number of buckets, so these may live elsewhere. Error
-- UNOPENED: the counter has not been opened (counter/store/opening.py). Error OOM: Redis has little memory left.
-- Error GARBLED: a key holds something else, and is named. Without `allow-oom` in the line above it refuses the
-- script as a whole when it has none at all, so no batch is ever half written. Loaded behind count.lua.
--
-- The keys are those of a bucket; a named counter's have its name in them, as in tally:clicks:sealed.
--
-- KEYS[1] tally:sealed            read
-- KEYS[2] tally:writer:<name>     the last batch number of this writer; expires an hour after its last batch
-- KEYS[3] tally:pending           gains the minute with its first batch
-- KEYS[4] tally:ids:<minute>      gains the ids new in the minute, in order
-- KEYS[5] tally:stats:<minute>    unique and total grow
-- KEYS[6] <minute>_               what the names of the counts begin with; <minute>_<id> grows by one a call
-- KEYS[7] tally:layout            read
-- KEYS[8] tally:writer:<name>:new optional: keeps `new` for a repeat, and expires with KEYS[2]
-- ARGV[1] the minute, yyyyMMddHHmm
-- ARGV[2] the same minute as a number of minutes since the epoch
-- ARGV[3] the minute before it, yyyyMMddHHmm
-- ARGV[4] the number of this batch, above all earlier ones of its writer
-- ARGV[5] one id a call, with spaces between them, at most 1,000: one argument is read faster than many
-- ARGV[6] the number of buckets that this one is one of
-- ARGV[7] optional: don't ask how much memory is left, which costs as much as three ids; another script does
local REFUSED, COUNTED, REPEATED = 0, 1, 2
local WRITER_TTL_SECONDS = 3600

-- First of all, or a repeat after the minute's end would be counted again.
local last, wrong = ask('GET', KEYS[2])
if last and not tonumber(last) then
  wrong = garbled(KEYS[2], last)
end
if wrong then
  return wrong
end
if last and tonumber(ARGV[4]) <= tonumber(last) then
  -- A write, so that WAITAOF on this connection waits for the batch, though another one brought it.
  redis.call('EXPIRE', KEYS[2], WRITER_TTL_SECONDS)
  return {REPEATED, KEYS[8] and redis.call('GET', KEYS[8]) or nil}
end

wrong = misfit(KEYS[7], ARGV[6])
if wrong then
  return wrong
end

-- The minute must be max(now, sealed + 1): time never runs back for a caller.
local sealed
sealed, wrong = read_sealed(KEYS[1])
if wrong then
  return wrong
end
local now = math.floor(redis.call('TIME')[1] / 60)
local minute = tonumber(ARGV[2])
local is_now = minute == now and ARGV[1] > sealed
local is_next = minute > now and ARGV[3] == sealed
if not (is_now or is_next) then
  return {REFUSED, now, sealed}
end

if not ARGV[7] and fullness() > FULL then
  return full()
end
local new = count(KEYS[6], KEYS[4], KEYS[5], KEYS[3], ARGV[1], ARGV[5])
if type(new) == 'table' then
  return new
end
redis.call('SET', KEYS[2], ARGV[4], 'EX', WRITER_TTL_SECONDS)
if KEYS[8] then
  redis.call('SET', KEYS[8], new, 'EX', WRITER_TTL_SECONDS)
end
return {COUNTED, new}
