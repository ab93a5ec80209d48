-- For wrk: retries of the runs in the file BENCH_SOURCES, one after the other; what came of it as one line of JSON. Statuses
-- are not counted here, since a `response` function would parse every answer in Lua: wrk itself counts those above 399.

local requests, turn = {}, 0

function init()
  local headers = {
    ['Content-Type'] = 'application/json',
    ['Authorization'] = 'Bearer ' .. os.getenv('BENCH_KEY'),
  }
  for run in io.lines(os.getenv('BENCH_SOURCES')) do
    requests[#requests + 1] = wrk.format('POST', '/api/runs/' .. run .. '/retry', headers, '{"reason":"bench"}')
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'BENCH {"answers":%d,"seconds":%f,"refused":%d,"broken":%d,"p50":%f,"p99":%f,"p999":%f,"max":%f}\n',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
