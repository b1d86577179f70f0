-- The health of a SecretSync, by its condition Ready.
local health = { status = "Progressing", message = "waiting for the first check" }
if obj.status == nil or obj.status.conditions == nil then
  return health
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    local seen = condition.observedGeneration
    if seen ~= nil and obj.metadata.generation ~= nil and seen < obj.metadata.generation then
      health.message = "waiting for a check of the last change"
    elseif condition.status == "True" then
      health.status = "Healthy"
      health.message = condition.message
    elseif condition.status == "False" then
      health.status = "Degraded"
      health.message = (condition.reason or "") .. ": " .. (condition.message or "")
    end
  end
end
return health
