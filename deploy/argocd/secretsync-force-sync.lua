-- A new value of this field checks the SecretSync at once.
obj.spec.forceSynchronization = os.date("!%Y%m%dT%H%M%SZ")
return obj
