import type { Clock } from '#lib'
import { type Credentials, newPassword } from '../directory/credentials.ts'
import { Refusal } from '../http/refusal.ts'
import type { Change, RecordStore } from '../records/record-store.ts'
import { addPasswordBody, removePasswordBody, renderPassword } from './credentials-body.ts'
import { resourceNotFound } from './error-response.ts'
import { type GraphOperation, graphOperation } from './operation.ts'

export interface PasswordOptions<T extends Credentials> {
  store: RecordStore
  clock: Clock
  /** `application` or `servicePrincipal` */
  noun: string
  find(id: string): T | undefined
  put(holder: T): Change
}

/** Client secrets of applications or of service principals. https://learn.microsoft.com/graph/api/application-addpassword */
export function passwordOperations<T extends Credentials>(options: PasswordOptions<T>): GraphOperation[] {
  const { store, clock, noun, find, put } = options
  const existing = (id: string) => {
    const holder = find(id)
    if (holder === undefined) throw resourceNotFound(id)
    return holder
  }

  return [
    graphOperation(`graph.${noun}.addPassword`, 'POST', `/v1.0/${noun}s/:id/addPassword`, async (call) => {
      const holder = existing(call.name('id'))
      const { passwordCredential } = await call.body(addPasswordBody)
      const { displayName, startDateTime, endDateTime } = passwordCredential ?? {}
      const fields = { displayName, startDateTime: startDateTime ?? undefined, endDateTime: endDateTime ?? undefined }
      const { password, secret } = newPassword(clock.now(), fields)
      store.commit([put({ ...holder, passwords: [...(holder.passwords ?? []), password] })])
      return { status: 200, context: 'microsoft.graph.passwordCredential', body: renderPassword(password, secret) }
    }),
    graphOperation(`graph.${noun}.removePassword`, 'POST', `/v1.0/${noun}s/:id/removePassword`, async (call) => {
      const holder = existing(call.name('id'))
      const { keyId } = await call.body(removePasswordBody)
      const passwords = (holder.passwords ?? []).filter((password) => password.keyId !== keyId)
      if (passwords.length === (holder.passwords ?? []).length) {
        throw new Refusal(400, 'Request_BadRequest', `No password credential found with keyId '${keyId}'.`)
      }
      store.commit([put({ ...holder, passwords })])
      return { status: 204 }
    }),
  ]
}
