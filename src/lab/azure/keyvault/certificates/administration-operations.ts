import { z } from 'zod'
import type { Clock } from '#lib'
import { Refusal } from '../../http/refusal.ts'
import type { RecordStore } from '../../records/record-store.ts'
import { permissionsOn } from '../authorize.ts'
import { type VaultAnswer, type VaultCall, type VaultOperation, vaultOperation } from '../operation.ts'
import { page } from '../paging.ts'
import { bodyParser } from '../validate.ts'
import type { CertificateAdministration, Contacts, Issuer } from './administration.ts'

const needs = permissionsOn('certificates', 'certificatecas')

export interface AdministrationOptions {
  store: RecordStore
  administration: CertificateAdministration
  clock: Clock
}

const text = z.string().max(256).nullish()
const parseContacts = bodyParser(
  z.object({ contacts: z.array(z.object({ email: z.string().min(1), name: text, phone: text })).max(100) }),
)

const issuerFields = {
  credentials: z.object({ account_id: text, pwd: text }).nullish(),
  org_details: z
    .object({
      id: text,
      admin_details: z.array(z.object({ first_name: text, last_name: text, email: text, phone: text })).nullish(),
    })
    .nullish(),
  attributes: z.object({ enabled: z.boolean().nullish() }).nullish(),
}
const parseSetIssuer = bodyParser(z.object({ provider: z.string().min(1), ...issuerFields }))
const parseUpdateIssuer = bodyParser(z.object({ provider: z.string().min(1).nullish(), ...issuerFields }))
type GivenIssuer = ReturnType<typeof parseUpdateIssuer>

const onContacts = '/certificates/contacts'
const onIssuers = '/certificates/issuers'
const onIssuer = `${onIssuers}/:name`

/** Contacts and issuers of certificates. https://learn.microsoft.com/rest/api/keyvault/certificates/set-certificate-issuer */
export function administrationOperations(options: AdministrationOptions): VaultOperation[] {
  return [...contactOperations(options), ...issuerOperations(options)]
}

function contactOperations({ store, administration: { contacts } }: AdministrationOptions): VaultOperation[] {
  const permission = permissionsOn('certificates', 'certificatecontacts')('managecontacts', 'write')
  return [
    {
      operation: 'vault.certificate.getContacts',
      method: 'GET',
      path: onContacts,
      permission,
      run: (call) => ({ body: renderContacts(call, existing(call)) }),
    },
    {
      operation: 'vault.certificate.setContacts',
      method: 'PUT',
      path: onContacts,
      permission,
      async run(call) {
        const given = parseContacts(await call.body())
        const stored: Contacts = { vault: call.vault.uid, contacts: given.contacts.map(withoutNulls) }
        store.commit([contacts.put(call.vault.uid, stored)])
        return { body: renderContacts(call, stored) }
      },
    },
    {
      operation: 'vault.certificate.deleteContacts',
      method: 'DELETE',
      path: onContacts,
      permission,
      run(call) {
        const before = existing(call)
        store.commit([contacts.remove(call.vault.uid)])
        return { body: renderContacts(call, before) }
      },
    },
  ]

  function existing({ vault }: VaultCall): Contacts {
    const found = contacts.get(vault.uid)
    if (found !== undefined) return found
    throw new Refusal(404, 'ContactsNotFound', 'Contacts not found')
  }
}

function renderContacts({ url }: VaultCall, { contacts }: Contacts) {
  return { id: `${url.origin}${onContacts}`, contacts }
}

function issuerOperations(options: AdministrationOptions): VaultOperation[] {
  const { administration } = options
  return [
    {
      operation: 'vault.certificate.listIssuers',
      method: 'GET',
      path: onIssuers,
      permission: needs('listissuers', 'read'),
      run({ url, vault }) {
        const render = ({ name, provider }: Issuer) => ({ id: `${url.origin}${onIssuers}/${name}`, provider })
        return { body: page(url, administration.issuers.ofVault(vault.uid), ({ name }) => name.toLowerCase(), render) }
      },
    },
    vaultOperation('vault.certificate.getIssuer', 'GET', onIssuer, needs('getissuers', 'read'), (call) => ({
      body: renderIssuer(call, existingIssuer(options, call)),
    })),
    vaultOperation('vault.certificate.setIssuer', 'PUT', onIssuer, needs('setissuers', 'write'), (call) =>
      setIssuer(options, call),
    ),
    vaultOperation('vault.certificate.updateIssuer', 'PATCH', onIssuer, needs('setissuers', 'write'), (call) =>
      updateIssuer(options, call),
    ),
    vaultOperation('vault.certificate.deleteIssuer', 'DELETE', onIssuer, needs('deleteissuers', 'delete'), (call) =>
      deleteIssuer(options, call),
    ),
  ]
}

function existingIssuer({ administration }: AdministrationOptions, { vault, name }: VaultCall): Issuer {
  const found = administration.issuers.get(vault.uid, name)
  if (found !== undefined) return found
  throw new Refusal(404, 'CertificateIssuerNotFound', `Issuer not found: ${name}`)
}

async function setIssuer({ store, administration, clock }: AdministrationOptions, call: VaultCall) {
  const { provider, ...given } = parseSetIssuer(await call.body())
  const { uid: vault } = call.vault
  const updated = nowSeconds(clock)
  const { name = call.name, created = updated } = administration.issuers.get(vault, call.name) ?? {}
  const issuer = changed({ vault, name, provider, administrators: [], enabled: true, created, updated }, given)
  store.commit([administration.issuers.put(issuer)])
  return { body: renderIssuer(call, issuer) }
}

async function updateIssuer(options: AdministrationOptions, call: VaultCall): Promise<VaultAnswer> {
  const given = parseUpdateIssuer(await call.body())
  const issuer = changed({ ...existingIssuer(options, call), updated: nowSeconds(options.clock) }, given)
  options.store.commit([options.administration.issuers.put(issuer)])
  return { body: renderIssuer(call, issuer) }
}

function deleteIssuer(options: AdministrationOptions, call: VaultCall): VaultAnswer {
  const before = existingIssuer(options, call)
  options.store.commit([options.administration.issuers.remove(before)])
  return { body: renderIssuer(call, before) }
}

/** The issuer with the given fields replaced. */
function changed(before: Issuer, { provider, credentials, org_details: details, attributes }: GivenIssuer): Issuer {
  return {
    ...before,
    provider: provider ?? before.provider,
    accountId: credentials?.account_id ?? before.accountId,
    password: credentials?.pwd ?? before.password,
    organizationId: details?.id ?? before.organizationId,
    administrators: details?.admin_details?.map(withoutNulls) ?? before.administrators,
    enabled: attributes?.enabled ?? before.enabled,
  }
}

/** Without the password, which is never shown again. */
function renderIssuer({ url }: VaultCall, { name, provider, accountId, organizationId, ...issuer }: Issuer) {
  const { administrators, enabled, created, updated } = issuer
  return {
    id: `${url.origin}${onIssuers}/${name}`,
    provider,
    credentials: { account_id: accountId },
    org_details: { id: organizationId, admin_details: administrators },
    attributes: { enabled, created, updated },
  }
}

type WithoutNulls<T> = { [K in keyof T]: Exclude<T[K], null> }

function withoutNulls<T extends object>(given: T): WithoutNulls<T> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null)) as WithoutNulls<T>
}

function nowSeconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000)
}
