/**
 * Attribute of a mount request: a JSON array of the ids of vault objects that have changed, or `["*"]` for any. The caller sets it for a
 * check that an event asked for. Our provider reads these objects from the vault, and may answer the others from what it has read within the interval;
 * other providers ignore it.
 */
export const changedAttribute = 'keymount.dev/changed'
