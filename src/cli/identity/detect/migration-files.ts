import { tokenExchangeAudience } from '#azure/identity'
import type { AzureIdentity, KubeObject, SecretProviderClass, ServiceAccount } from '#kubernetes/client'
import { commandLine } from '#terminal'
import { printManifests } from '../../manifests/print-manifests.ts'
import { identityAnnotations } from '../identity-keys.ts'
import { managedIdentityId } from '../managed-identity-id.ts'
import { managedCredentialName, subjectOf } from '../names.ts'
import { migratedClass } from './migrated-class.ts'
import { type MigrationOptions, migratedWorkload, templateOf } from './migrated-workload.ts'

/** A workload whose pods have a binding, and the identity that they get. */
export interface MigratingWorkload {
  owner: KubeObject
  identity: AzureIdentity
  /** The existing ones that it mounts. */
  classes: readonly SecretProviderClass[]
}

export interface MigrationSettings extends Omit<MigrationOptions, 'serviceAccountName'> {
  /** Seconds. */
  tokenExpiration: number
  /** Empty for that of the webhook. */
  tenantId: string
  /** Undefined if the cluster does not publish it. */
  issuer: string | undefined
}

export interface MigrationFile {
  name: string
  text: string
}

/** The files of a migration: two for each workload, one for each class with pod identity, and one script for Azure. */
export function migrationFiles(workloads: readonly MigratingWorkload[], settings: MigrationSettings): MigrationFile[] {
  const manifests = workloads.flatMap((workload) => {
    const stem = stemOf(workload, workloads)
    const account = serviceAccountOf(workload, settings)
    const serviceAccountName = account.metadata.name ?? ''
    return [
      { name: `${stem}-serviceaccount.yaml`, text: printed(account) },
      { name: `${stem}.yaml`, text: printed(migratedWorkload(workload.owner, { ...settings, serviceAccountName })) },
    ]
  })
  if (workloads.length === 0) return []
  return [
    ...manifests,
    ...classFiles(workloads),
    { name: 'federated-credentials.sh', text: federationScript(workloads, settings) },
  ]
}

function printed(object: object): string {
  return printManifests([{ object: { ...object } }])
}

/** A class of several workloads is written once: it has one identity. */
function classFiles(workloads: readonly MigratingWorkload[]): MigrationFile[] {
  const files = new Map<string, string>()
  for (const { classes, identity } of workloads) {
    for (const found of classes) {
      const migrated = migratedClass(found, identity.spec.clientID ?? '')
      if (migrated !== undefined) files.set(`${found.metadata.name}-secretproviderclass.yaml`, printed(migrated))
    }
  }
  return [...files].map(([name, text]) => ({ name, text }))
}

/** Workloads of the same name are distinguished by their kinds. */
function stemOf({ owner }: MigratingWorkload, all: readonly MigratingWorkload[]): string {
  const name = owner.metadata.name ?? ''
  const isUnique = all.filter((other) => other.owner.metadata.name === name).length === 1
  return isUnique ? name : `${name}-${owner.kind.toLowerCase()}`
}

/** A workload with the service account `default` gets one of its own, so that no other pod of the namespace gets the identity. */
function accountNameOf(owner: KubeObject): string {
  const { serviceAccountName = 'default' } = templateOf(owner).spec
  return serviceAccountName === 'default' ? (owner.metadata.name ?? '') : serviceAccountName
}

function serviceAccountOf(
  { owner, identity }: MigratingWorkload,
  { tokenExpiration, tenantId }: MigrationSettings,
): ServiceAccount {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: {
      name: accountNameOf(owner),
      namespace: owner.metadata.namespace ?? 'default',
      annotations: {
        [identityAnnotations.clientId]: identity.spec.clientID ?? '',
        [identityAnnotations.tokenExpiration]: String(tokenExpiration),
        ...(tenantId === '' ? {} : { [identityAnnotations.tenantId]: tenantId }),
      },
    },
  }
}

/** What has to be created in Azure before the manifests are applied. Each command can be repeated. */
function federationScript(workloads: readonly MigratingWorkload[], { issuer }: MigrationSettings): string {
  const commands = new Set(workloads.map((workload) => federationCommand(workload, issuer)))
  const head = [
    '#!/bin/sh',
    '# Lets the service accounts sign in as the managed identities that pod identity has given to their pods.',
    '# An identity can have at most 20 federated credentials.',
    'set -e',
  ]
  const lookup =
    issuer === undefined ? ['[ -n "$ISSUER" ] || { echo "set ISSUER to the issuer of the cluster" >&2; exit 1; }'] : []
  return `${[...head, ...lookup, '', ...commands].join('\n')}\n`
}

function federationCommand({ owner, identity }: MigratingWorkload, issuer: string | undefined): string {
  const account = { namespace: owner.metadata.namespace ?? 'default', name: accountNameOf(owner) }
  const { subscription, group, name } = managedIdentityId(identity.spec.resourceID ?? '')
  return commandLine(
    ...['az', 'identity', 'federated-credential', 'create', '--subscription', subscription, '--resource-group', group],
    ...['--identity-name', name, '--name', managedCredentialName(account, issuer ?? '')],
    ...['--issuer', issuer ?? '"$ISSUER"', '--subject', subjectOf(account), '--audiences', tokenExchangeAudience],
    ...['--output', 'none'],
  )
}
