-- What accept.lua and consolidate.lua share, and are loaded behind.

-- Of maxmemory. The rest is for what frees memory: the flush, its queue, and the beat that fills it.
local FULL = 0.9

-- How much of maxmemory is used, 0 where there is no such limit.
local function fullness()
  local memory = redis.call('INFO', 'memory')
  local most = tonumber(string.match(memory, '\nmaxmemory:(%d+)'))
  return most > 0 and tonumber(string.match(memory, 'used_memory:(%d+)')) / most or 0
end

local function full()
  return redis.error_reply('OOM accepting stops at ' .. FULL * 100 .. ' % of maxmemory')
end

local function garbled(name, why)
  return redis.error_reply('GARBLED ' .. name .. ' holds something that Tally has not written: ' .. why)
end

-- What a command says of a key; instead the error that names the key where someone has overwritten it.
local function ask(command, name, ...)
  local reply = redis.pcall(command, name, ...)
  if type(reply) == 'table' and reply.err then
    return nil, garbled(name, reply.err)
  end
  return reply
end

-- The last sealed minute, '' before the first; or an error.
local function read_sealed(name)
  local sealed, wrong = ask('GET', name)
  if sealed and not string.match(sealed, '^%d%d%d%d%d%d%d%d%d%d%d%d$') then
    wrong = garbled(name, sealed)
  end
  return sealed or '', wrong
end

-- Only the default counter counts before anyone has said over how many buckets: a flush looks for it always.
local function is_default(layout)
  return layout == 'tally:layout' or string.match(layout, '^tally:{b%d+}:layout$')
end

-- Why nobody who thinks that there are `count` buckets may count in this one; nil where they may.
local function misfit(layout, count)
  local buckets, wrong = ask('GET', layout)
  if wrong then
    return wrong
  end
  if not buckets and not is_default(layout) then
    return redis.error_reply('UNOPENED ' .. layout .. ' is not there: the counter is to be opened first')
  end
  buckets = buckets or '1'
  if buckets ~= count then
    return redis.error_reply('LAYOUT ids are spread over ' .. buckets .. ' buckets, not ' .. count)
  end
end

-- Counts one call for each id of `text`, in which they stand with spaces between them, 1 to 1,000 of them;
-- says how many are new in the minute. An error where a key holds something else: then nothing is written, for
-- a script that breaks off takes nothing back.
local function count(prefix, index, stats, pending, minute, text)
  local calls, calls_of, ids, names = 0, {}, {}, {}
  for id in string.gmatch(text, '%S+') do
    if not calls_of[id] then
      calls_of[id] = 0
      ids[#ids + 1] = id
      names[#names + 1] = prefix .. id
    end
    calls_of[id] = calls_of[id] + 1
    calls = calls + 1
  end

  local sums, wrong = ask('HMGET', stats, 'unique', 'total')
  if wrong then
    return wrong
  end
  if not (tonumber(sums[1] or 0) and tonumber(sums[2] or 0)) then
    return garbled(stats, 'no number')
  end

  -- Two commands for all ids cost a quarter less than an INCR for each.
  local new, counts = {}, {}
  for i, before in ipairs(redis.call('MGET', unpack(names))) do
    if not before then
      new[#new + 1] = ids[i]
    end
    local count = tonumber(before or 0)
    if not count then
      return garbled(names[i], before)
    end
    counts[2 * i - 1] = names[i]
    counts[2 * i] = count + calls_of[ids[i]]
  end
  if #new > 0 then
    wrong = select(2, ask('LLEN', index))
  end
  -- The first thing that is written, and the last one that can fail.
  if not wrong then
    wrong = select(2, ask('ZADD', pending, minute, minute))
  end
  if wrong then
    return wrong
  end
  redis.call('MSET', unpack(counts))
  if #new > 0 then
    redis.call('RPUSH', index, unpack(new))
    redis.call('HINCRBY', stats, 'unique', #new)
  end
  redis.call('HINCRBY', stats, 'total', calls)
  return #new
end
