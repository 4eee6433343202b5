-- streams/policy/limit.py, told again for Redis: one call for a chunk of jobs, on the clock of the server.
-- KEYS[1]: everybody's bucket; the others: tenants'. ARGV[1], packed: rates and asks.
-- rates: for each key {jobs/s, burst, backlog, GPU-s/s, burst, backlog}; 0/s: not limited.
-- asks: {key, price, patience or -1, what}; key 1: everybody alone. what: 0 take, 1 give back, 2 give back everybody's too.
-- Returns, packed: now, {wait, retry after, paid} for each ask, {full at: jobs, GPU-s} for each key.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local rates, asks = unpack(cmsgpack.unpack(ARGV[1]))
local full, changed = {}, {}
for i, key in ipairs(KEYS) do
  local kept = redis.call('GET', key)
  full[i] = kept and cmsgpack.unpack(kept) or {0, 0}
end

local function peek_one(full_at, cost, per_s, burst, backlog)
  if per_s == 0 then return 0, 0, 0 end
  local after = math.max(full_at, now) + cost / per_s
  local wait = math.max(0, after - now - math.max(burst, cost) / per_s)
  local over = wait * per_s - backlog
  return wait, over > 1e-6 * per_s and over / per_s or 0, after
end

local function peek(i, price, patience)
  local r, f = rates[i], full[i]
  local jobs_wait, jobs_over, jobs_full = peek_one(f[1], 1, r[1], r[2], r[3])
  local gpu_wait, gpu_over, gpu_full = peek_one(f[2], price, r[4], r[5], r[6])
  local wait = math.max(jobs_wait, gpu_wait)
  local over = math.max(jobs_over, gpu_over, patience < 0 and 0 or wait - patience)
  return wait, over, {jobs_full, gpu_full}
end

local function put(i, value)
  full[i] = value
  changed[i] = true
end

local function give_back(i, price)
  local r, f = rates[i], full[i]
  put(i, {r[1] > 0 and f[1] - 1 / r[1] or f[1], r[4] > 0 and f[2] - price / r[4] or f[2]})
end

local function take(i, price, patience)
  local own_wait, own_over, own_full = 0, 0, nil
  if i > 1 then own_wait, own_over, own_full = peek(i, price, patience) end
  local wait, over, all_full = own_wait, 0, nil
  if own_wait == 0 then wait, over, all_full = peek(1, price, patience) end
  over = math.max(over, own_over)
  if over > 0 then return {0, over, 0} end
  if own_full then put(i, own_full) end
  if all_full then put(1, all_full) end
  return {wait, 0, all_full and 1 or 0}
end

local answers = {}
for n, ask in ipairs(asks) do
  local i, price, patience, what = unpack(ask)
  if what == 0 then
    answers[n] = take(i, price, patience)
  else
    if i > 1 then give_back(i, price) end
    if what == 2 then give_back(1, price) end
    answers[n] = {0, 0, 0}
  end
end

for i in pairs(changed) do
  local rest = math.max(full[i][1], full[i][2]) - now
  if rest > 0 then
    redis.call('SET', KEYS[i], cmsgpack.pack(full[i]), 'PX', math.ceil(rest * 1000))
  else
    redis.call('DEL', KEYS[i])
  end
end
return cmsgpack.pack({now, answers, full})
