-- Canceling: the way out that a caller may ask for.

-- cancel: 1 run  2 org  3 token (made by the caller)  4 actor  5 reason  6 retention ms. From queued, running and
-- blocked at once; the epoch moves on, so whoever was working on it is fenced off.
-- Answers {'ok'} or {'refused', 'run_not_found' | 'run_not_cancelable', status}.
local function cancel(keys, a)
  local p, now = keys[1], clock()
  local r = load(p, a[1])
  if not r or r.org ~= a[2] then return { 'refused', 'run_not_found', '' } end
  if not MAY.cancel[r.status] then
    if r.status == 'canceled' and r.token == a[3] then return { 'ok' } end
    return { 'refused', 'run_not_cancelable', r.status }
  end
  if r.status == 'running' then leave_running(p, r) else leave_waiting(p, r) end
  r.epoch = r.epoch + 1
  end_run(p, r, now, 'canceled', a[4], a[5], tonumber(a[6]), { 'verdict', 'canceled', 'token', a[3] })
  note_act(p, 'cancel', r.id, a[4], a[5])
  return { 'ok' }
end

register('cancel', cancel, { 'allow-oom' })
