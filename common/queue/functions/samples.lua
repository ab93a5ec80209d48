-- What the queue was like over the last hour and the last week, for those who look at it later: counters and gauges at even
-- times, in two capped streams. Written by whichever sweep comes first.

local SAMPLES = {
  { key = 'samples', every = 10000, kept = '400' }, -- ms; an hour and a little
  { key = 'samples:week', every = 600000, kept = '1100' },
}

-- `fleet` is `live slots busy` of the workers, which stand in no partition: from who knows them, or empty.
local function sample(p, now, fleet)
  if fleet ~= '' then call('HSET', p .. 'swept', 'fleet', fleet) end
  for _, s in ipairs(SAMPLES) do
    local slot = text(math.floor(now / s.every))
    if call('HGET', p .. 'swept', s.key) ~= slot then
      call('HSET', p .. 'swept', s.key, slot)
      local v = call('HMGET', p .. 'stats', 'accepted', 'claims', 'ended', 'ended_failed', 'queued', 'running', 'blocked',
        'held', 'set_aside', 'put_back')
      local oldest = call('ZRANGE', p .. 'queued', '0', '0', 'WITHSCORES')[2]
      local age = oldest and math.max(0, math.floor((now - tonumber(oldest)) / 1000)) or 0
      local workers = call('HGET', p .. 'swept', 'fleet') or '0 0 0'
      for i = 1, 10 do v[i] = v[i] or '0' end
      call('XADD', p .. s.key, 'MAXLEN', '~', s.kept, '*', 'at', text(math.floor(now / 1000)), 'v',
        table.concat(v, ' ', 1, 7) .. ' ' .. text(age) .. ' ' .. workers .. ' ' .. table.concat(v, ' ', 8))
    end
  end
end
