import { type Problem, ProblemsError } from '#lib'
import type { HttpClientOptions } from '#lib/http'
import { httpFromEnvironment } from './http-environment.ts'

/** The way to Azure as the environment says it. Throws `ProblemsError` when it names certificates that cannot be read. */
export function azureHttp(env: NodeJS.ProcessEnv): Pick<HttpClientOptions, 'proxyEnv' | 'ca' | 'extraCa'> {
  const problems: Problem[] = []
  const http = httpFromEnvironment(env, problems)
  if (problems.length > 0) throw new ProblemsError('environment', problems)
  return http
}
