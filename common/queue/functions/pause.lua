-- Pauses, and the record of what people did. A pause stops runs from being started and nothing else: callers are still served,
-- runs in hand go on. What is paused stands in the hash `paused`: `all`, `mode:<mode>` or `project:<id>` -> `ms actor reason`.

local ACTS_KEPT = '10000'
local MOST_PAUSES = 1000
local MOST_RELEASED = 1000 -- in one call
local MOST_LOOKED_AT = '500' -- tickets of a stream in one sweep

-- Who did what to what, and why. Runs say themselves who made them; all else that people do is said here. Cancels, which every
-- caller may make as many of as of runs, have a stream of their own, lest they push out what operators did.
local function note_act(p, act, object, actor, cause)
  call('XADD', p .. (act == 'cancel' and 'audit:cancels' or 'audit'), 'MAXLEN', '~', ACTS_KEPT, '*', 'act', act, 'object', object, 'by', actor, 'cause', cause)
end

-- What is paused, as a set; nil if nothing is.
local function pauses(p)
  local names = call('HKEYS', p .. 'paused')
  if #names == 0 then return nil end
  local paused = {}
  for _, name in ipairs(names) do paused[name] = true end
  return paused
end

-- What keeps a run from being started; nil if nothing does.
local function paused_by(p, r, paused)
  local project = 'project:' .. r.project
  if paused[project] then return project end
  local mode = r.fixed and string.match('\n' .. r.fixed, '\nmode ([^\n]*)') or call('HGET', p .. 'run:' .. r.id, 'mode')
  mode = 'mode:' .. (mode or '')
  return paused[mode] and mode or nil
end

-- A run that is paused waits beside the stream, where it keeps nobody else waiting: queued as before, in another place.
local function hold_aside(p, stream, r, what, ticket)
  call('HSET', p .. 'run:' .. r.id, 'where', 'held', 'stream', stream, 'ticket', ticket, 'heldBy', what)
  call('ZADD', p .. 'held:' .. what, tonumber(r.created) and r.created or '0', r.id)
  call('SADD', p .. 'holds', what)
  count(p, 'held', 1)
  count(p, 'set_aside', 1)
end

-- A claim met the ticket of a run that may be paused. Answers whether it was.
local function set_aside(p, stream, r, paused)
  local what = paused and paused_by(p, r, paused)
  if not what then return false end
  call('XACK', p .. 'queue:' .. stream, GROUP, r.entry)
  hold_aside(p, stream, r, what, '')
  return true
end

-- Nobody may be there to claim, and yet it must be known how many runs wait for what no worker could change: so the sweep sets
-- aside, too. The ticket, which nobody has read, stays in the stream as a ghost, and counts again if the run is released before
-- it is met. In `swept` stands how far it has come, in `aside:<stream>`: `<how often pauses changed> <ticket>`.
local function set_aside_unread(p, streams)
  local paused = pauses(p)
  if not paused or paused.all then return end -- with all paused, nothing is claimed and nothing need be told apart
  local times = call('HGET', p .. 'swept', 'pauses') or '0'
  for _, stream in ipairs(streams) do
    local mark = call('HGET', p .. 'swept', 'aside:' .. stream) or ''
    local before, from = string.match(mark, '^(%d+) (%S+)$')
    local read = read_up_to(p, stream)
    if before ~= times or is_after(read, from) then from = read end
    local tickets = from == '' and {} or call('XRANGE', p .. 'queue:' .. stream, '(' .. from, '+', 'COUNT', MOST_LOOKED_AT)
    for _, entry in ipairs(tickets) do
      local r = entry[2][2] and load(p, entry[2][2])
      if r and r.status == 'queued' and r.where == 'stream' and r.ticket == entry[1] and r.project then
        local what = paused_by(p, r, paused)
        if what then
          hold_aside(p, stream, r, what, r.ticket)
          count(p, 'ghosts', 1)
        end
      end
    end
    if #tickets > 0 then call('HSET', p .. 'swept', 'aside:' .. stream, times .. ' ' .. tickets[#tickets][1]) end
  end
end

-- Gives runs that were set aside a ticket again, the oldest first.
local function release_held(p, what)
  local held = p .. 'held:' .. what
  local ids = call('ZRANGE', held, '0', text(MOST_RELEASED - 1))
  local read, released, again = {}, 0, 0
  for _, id in ipairs(ids) do
    local r = load(p, id)
    call('ZREM', held, id)
    if r and r.status == 'queued' and r.where == 'held' and r.stream and r.epoch then
      read[r.stream] = read[r.stream] or read_up_to(p, r.stream)
      local waits = is_after(r.ticket or '', read[r.stream]) and has_ticket(p, r)
      if waits then again = again + 1 end
      call('HSET', p .. 'run:' .. id, 'where', 'stream', 'ticket', waits and r.ticket or enqueue(p, r, r.stream))
      call('HDEL', p .. 'run:' .. id, 'heldBy')
      released = released + 1
    end
  end
  if released > 0 then
    count(p, 'held', -released)
    count(p, 'put_back', released)
  end
  if again > 0 then
    count(p, 'ghosts', -again)
    call('HINCRBY', p .. 'swept', 'pauses', '1') -- they may stand where the sweep has been
  end
  if #ids < MOST_RELEASED then call('SREM', p .. 'holds', what) end
end

-- For the sweep: a resumed queue may be longer than one call.
local function release_resumed(p)
  local left = 3 -- so many of them in one sweep
  for _, what in ipairs(call('SMEMBERS', p .. 'holds')) do
    if left > 0 and call('HEXISTS', p .. 'paused', what) == 0 then
      release_held(p, what)
      left = left - 1
    end
  end
end

-- pause: 1 what  2 actor  3 reason. What is paused already stays so since when it was; who says it again, for another reason or
-- as another, is who answers for it from now on. Answers {'ok', {what, `ms actor reason` ...}} with all that is paused now.
local function pause(keys, a)
  local p, now = keys[1], clock()
  local project = string.match(a[1], '^project:(.*)$')
  if project and call('EXISTS', p .. 'project:' .. project) == 0 then return { 'refused', 'project_not_found', '' } end
  local before = call('HGET', p .. 'paused', a[1])
  if project and not before and call('HLEN', p .. 'paused') >= MOST_PAUSES then
    return { 'refused', 'invalid_parameter', 'more than ' .. MOST_PAUSES .. ' things are paused' }
  end
  local since = before and string.match(before, '^%d+') or stamp(now)
  local now_paused = since .. ' ' .. a[2] .. ' ' .. a[3]
  if now_paused ~= before then
    call('HSET', p .. 'paused', a[1], now_paused)
    call('HINCRBY', p .. 'swept', 'pauses', '1')
    note_act(p, 'pause', a[1], a[2], a[3])
  end
  return { 'ok', call('HGETALL', p .. 'paused') }
end

-- resume: like pause.
local function resume(keys, a)
  local p = keys[1]
  clock()
  if call('HDEL', p .. 'paused', a[1]) == 1 then
    call('HINCRBY', p .. 'swept', 'pauses', '1') -- what this held may be held by another now
    note_act(p, 'resume', a[1], a[2], a[3])
  end
  release_held(p, a[1])
  return { 'ok', call('HGETALL', p .. 'paused') }
end

-- act: 1 act  2 object  3 actor  4 cause. For what is done with plain keys: orders to workers, API keys.
local function act(keys, a)
  note_act(keys[1], a[1], a[2], a[3], a[4])
  return { 'ok' }
end

register('pause', pause)
register('resume', resume, { 'allow-oom' })
register('act', act)
