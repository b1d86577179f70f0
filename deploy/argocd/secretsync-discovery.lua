-- The actions that the menu of a SecretSync has.
local actions = {}
actions["force-sync"] = { ["disabled"] = false }
return actions
