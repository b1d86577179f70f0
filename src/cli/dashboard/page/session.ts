const storedKey = 'keymount-key'

/** The server's own words about a request that it refused. */
export class ApiError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Exchanges the token in the fragment of the address for a session, and takes it out of the address and of the history. */
export async function signIn(): Promise<void> {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  if (token === null) return
  history.replaceState(null, '', location.pathname + location.search)
  const { key } = await api<{ key: string }>('/api/session', { body: { token } })
  localStorage.setItem(storedKey, key)
}

interface Call {
  body?: unknown
  signal?: AbortSignal
}

/** Sends a request with the key of the session; one with a body is a POST. */
export async function send(path: string, { body, signal }: Call = {}): Promise<Response> {
  const key = localStorage.getItem(storedKey) ?? ''
  const response = await fetch(path, {
    headers: { 'x-keymount-key': key, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  })
  if (response.ok) return response
  const answer = (await response.json().catch(() => ({}))) as { error?: string }
  throw new ApiError(response.status, answer.error ?? `the dashboard answered with status ${response.status}`)
}

export async function api<T>(path: string, call: Call = {}): Promise<T> {
  return (await (await send(path, call)).json()) as T
}
