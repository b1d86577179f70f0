import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'

/**
 * Who may use the dashboard: a browser that has the token, which is printed on the terminal of the user. The page exchanges it for a cookie
 * and a key. A cookie alone is not enough: browsers send it to every port of the machine.
 */
export interface Sessions {
  readonly token: string
  /** Checks the token of a body `{"token":…}`; gives the key, and sets the cookie. Undefined: refused. */
  open(context: Context, token: string): string | undefined
  /** Lets requests of a session through; answers 401 to others. */
  readonly required: MiddlewareHandler
}

/** Browsers that are signed in at once; the oldest has to sign in again. */
const maxSessions = 32

const keyHeader = 'x-keymount-key'

/** @param port of the dashboard; two dashboards of one machine have different cookies */
export function createSessions(port: () => number): Sessions {
  const token = secret()
  /** Hash of the key by the hash of the cookie: nothing here can be used as either. */
  const sessions = new Map<string, Buffer>()
  return {
    token,
    open(context, given) {
      if (!timingSafeEqual(hash(given), hash(token))) return undefined
      const [cookie, key] = [secret(), secret()]
      for (const old of sessions.keys()) if (sessions.size >= maxSessions) sessions.delete(old)
      sessions.set(hash(cookie).toString('hex'), hash(key))
      setCookie(context, `keymount-${port()}`, cookie, { httpOnly: true, sameSite: 'Strict', path: '/' })
      return key
    },
    required: async (context, next) => {
      const cookie = getCookie(context, `keymount-${port()}`) ?? ''
      const key = sessions.get(hash(cookie).toString('hex'))
      const given = context.req.header(keyHeader) ?? ''
      if (key === undefined || !timingSafeEqual(hash(given), key)) return context.json({ error: 'not signed in' }, 401)
      return next()
    },
  }
}

function secret(): string {
  return randomBytes(32).toString('base64url')
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
