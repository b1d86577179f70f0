-- A new value of this annotation checks all volumes and SecretSyncs of the class at once.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["keymount.dev/rotate"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
