-- wrk: batch calls of a thousand ids each, random ones of a million, from five hundred prepared bodies
math.randomseed(os.time())
local requests = {}

init = function()
  for n = 1, 500 do
    local ids = {}
    for i = 1, 1000 do
      ids[i] = math.random(1, 1000000)
    end
    local headers = {["Content-Type"] = "application/json"}
    requests[n] = wrk.format("POST", "/api/v1/accept/", headers, '{"ids":[' .. table.concat(ids, ",") .. "]}")
  end
end

request = function()
  return requests[math.random(1, 500)]
end
