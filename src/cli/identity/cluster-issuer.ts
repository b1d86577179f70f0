import { parseJson, stringOf, valueAt } from '#lib/formats'
import { type Answer, attempt } from '../answer.ts'

/** The issuer of service account tokens, as the cluster's discovery document names it. */
export function askIssuer(raw: (path: string) => Promise<string>): Promise<Answer<string>> {
  return attempt(async () => {
    const path = '/.well-known/openid-configuration'
    const issuer = stringOf(valueAt(parseJson(`the answer to ${path}`, await raw(path)), 'issuer'))
    if (issuer === undefined) throw new Error(`the discovery document of the cluster names no issuer`)
    return issuer
  })
}
