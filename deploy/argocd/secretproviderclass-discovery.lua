-- The actions that the menu of a SecretProviderClass has.
local actions = {}
actions["rotate"] = { ["disabled"] = false }
return actions
