/** Values by namespace and name: a decision looks at one namespace at a time. */
export interface NamespaceIndex<V> {
  /** Of one namespace, by name. */
  of(namespace: string): ReadonlyMap<string, V>
  get(namespace: string, name: string): V | undefined
  set(namespace: string, name: string, value: V): void
  delete(namespace: string, name: string): V | undefined
  /** Of one namespace, or all. */
  clear(namespace: string | undefined): void
  namespaces(): Iterable<string>
  readonly size: number
}

export function createNamespaceIndex<V>(): NamespaceIndex<V> {
  const byNamespace = new Map<string, Map<string, V>>()
  const empty = new Map<string, V>()
  return {
    of: (namespace) => byNamespace.get(namespace) ?? empty,
    get: (namespace, name) => byNamespace.get(namespace)?.get(name),
    set(namespace, name, value) {
      const names = byNamespace.get(namespace) ?? new Map<string, V>()
      byNamespace.set(namespace, names.set(name, value))
    },
    delete(namespace, name) {
      const names = byNamespace.get(namespace)
      const value = names?.get(name)
      names?.delete(name)
      if (names?.size === 0) byNamespace.delete(namespace)
      return value
    },
    clear(namespace) {
      if (namespace === undefined) byNamespace.clear()
      else byNamespace.delete(namespace)
    },
    namespaces: () => byNamespace.keys(),
    get size() {
      return [...byNamespace.values()].reduce((sum, names) => sum + names.size, 0)
    },
  }
}
