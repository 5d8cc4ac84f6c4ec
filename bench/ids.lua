-- wrk: one accept call each, for random ids of a million
math.randomseed(os.time())
request = function()
  return wrk.format("GET", "/api/verve/accept?id=" .. math.random(1, 1000000))
end
