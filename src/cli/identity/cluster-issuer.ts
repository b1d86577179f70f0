import { attempt, type Known } from './known.ts'

/** The issuer by the cluster's own word. */
export function askIssuer(raw: (path: string) => Promise<string>): Promise<Known<string>> {
  return attempt(async () => {
    const { issuer } = JSON.parse(await raw('/.well-known/openid-configuration')) as { issuer: string }
    return issuer
  })
}
