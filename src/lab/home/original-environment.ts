export type Environment = Readonly<Record<string, string | undefined>>

/** Prefix of the variables that hold what the user's shell had before `keymount env`; an empty one means that it had nothing. */
export const savedPrefix = 'KEYMOUNT_ORIGINAL_'

/** The environment as it was before `keymount env`. */
export function originalEnvironment(env: Environment): Environment {
  const entries = Object.entries(env).filter(([name]) => name.startsWith(savedPrefix))
  const saved = entries.map(([name, value]) => [name.slice(savedPrefix.length), value || undefined])
  return { ...env, ...Object.fromEntries(saved) }
}
