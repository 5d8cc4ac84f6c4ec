-- wrk: one accept call each, for random ids of ten counters, the default one among them
math.randomseed(os.time())
request = function()
  local counter, id = math.random(0, 9), math.random(1, 1000000)
  local name = counter > 0 and "&counter=c" .. counter or ""
  return wrk.format("GET", "/api/verve/accept?id=" .. id .. name)
end
