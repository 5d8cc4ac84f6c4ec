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

-- Why nobody who thinks that there are `count` buckets may count in this one; nil where they may.
local function misfit(layout, count)
  local buckets = redis.call('GET', layout) or '1'
  if buckets ~= count then
    return redis.error_reply('LAYOUT ids are spread over ' .. buckets .. ' buckets, not ' .. count)
  end
end

-- Counts one call for each id of `text`, in which they stand with spaces between them, 1 to 1,000 of them;
-- says how many are new in the minute.
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

  -- Two commands for all ids cost a quarter less than an INCR for each.
  local new, counts = {}, {}
  for i, before in ipairs(redis.call('MGET', unpack(names))) do
    if not before then
      new[#new + 1] = ids[i]
    end
    counts[2 * i - 1] = names[i]
    counts[2 * i] = (before or 0) + calls_of[ids[i]]
  end
  redis.call('MSET', unpack(counts))
  if #new > 0 then
    redis.call('RPUSH', index, unpack(new))
    redis.call('HINCRBY', stats, 'unique', #new)
  end
  if redis.call('HINCRBY', stats, 'total', calls) == calls then
    redis.call('ZADD', pending, minute, minute)
  end
  return #new
end
