import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Manifest, needsHelm, type Rule, template } from './helm.ts'

/** Every way to install a process of ours, with everything that gives it rights. */
const installations = {
  'driver and provider': { syncSecret: { enabled: true } },
  'one process per node': { combined: true, syncSecret: { enabled: true } },
  'the webhook': { driver: { install: false }, provider: { install: false }, webhook: webhook() },
  'Secrets without a pod': { driver: { install: false }, provider: { install: false }, sync: { enabled: true } },
  'the operator': { driver: { install: false }, provider: { install: false }, restart: { enabled: true } },
  'the check before helm uninstall': { uninstallCheck: { enabled: true } },
  'pod identity': { driver: { install: false }, provider: { install: false }, podIdentity: { enabled: true } },
}

function webhook() {
  return { enabled: true, azureTenantID: 'contoso.com', classChecks: { refuse: true } }
}

interface Process {
  name: string
  account: string
  hostNetwork: boolean
  hasToken: boolean
  securityContext: {
    privileged?: boolean
    allowPrivilegeEscalation?: boolean
    readOnlyRootFilesystem?: boolean
    capabilities?: { add?: string[]; drop?: string[] }
    seccompProfile?: { type: string }
  }
}

interface PodTemplate {
  serviceAccountName: string
  automountServiceAccountToken?: boolean
  hostNetwork?: boolean
  containers: { name: string; securityContext?: Process['securityContext']; volumeMounts?: { name: string }[] }[]
  volumes?: { name: string; projected?: { sources: object[] } }[]
  initContainers?: PodTemplate['containers']
}

/** Every container of every workload. */
function processesOf(objects: Manifest[]): Process[] {
  return objects
    .filter(({ kind }) => ['DaemonSet', 'Deployment', 'StatefulSet', 'Job'].includes(kind))
    .flatMap(({ spec }) => {
      const { template: pods } = spec as { template: { spec: PodTemplate } }
      const {
        serviceAccountName,
        automountServiceAccountToken,
        hostNetwork = false,
        containers,
        volumes = [],
      } = pods.spec
      const tokens = new Set(
        volumes
          .filter(({ projected }) => projected?.sources.some((source) => 'serviceAccountToken' in source))
          .map(({ name }) => name),
      )
      return [...containers, ...(pods.spec.initContainers ?? [])].map(
        ({ name, securityContext = {}, volumeMounts = [] }) => ({
          name,
          account: serviceAccountName,
          hostNetwork,
          hasToken: automountServiceAccountToken !== false || volumeMounts.some((mount) => tokens.has(mount.name)),
          securityContext,
        }),
      )
    })
}

interface Binding {
  roleRef: { kind: string; name: string }
  subjects: { name: string }[]
}

const rulesOf = ({ rules }: Manifest) => rules as (Rule & { resourceNames?: string[] })[]
const rolesOf = (objects: Manifest[]) => objects.filter(({ kind }) => ['Role', 'ClusterRole'].includes(kind))
const bindingsOf = (objects: Manifest[]) =>
  objects
    .filter(({ kind }) => ['RoleBinding', 'ClusterRoleBinding'].includes(kind))
    .map((object) => object as unknown as Binding)

for (const [installation, values] of Object.entries(installations)) {
  describe(installation, needsHelm, () => {
    const rendered = needsHelm.skip === undefined ? template(values) : Promise.resolve([])

    test('writes to no file of its image', async () => {
      const processes = processesOf(await rendered)
      assert.ok(processes.length > 0)
      for (const { name, securityContext } of processes) {
        assert.equal(securityContext.readOnlyRootFilesystem, true, name)
      }
    })

    test('is privileged only where mounts have to reach the node, and else has no capability that it does not need', async () => {
      for (const { name, securityContext } of processesOf(await rendered)) {
        const { privileged = false, allowPrivilegeEscalation, capabilities, seccompProfile } = securityContext
        assert.equal(privileged, name === 'secrets-store', name)
        if (privileged) continue
        assert.equal(allowPrivilegeEscalation, false, name)
        assert.deepEqual(capabilities?.drop, ['ALL'], name)
        // What redirects requests to IMDS writes rules of the node's packet filter.
        assert.deepEqual(capabilities?.add ?? [], name === 'nmi' ? ['NET_ADMIN', 'NET_RAW'] : [], name)
        assert.deepEqual(seccompProfile, { type: 'RuntimeDefault' }, name)
      }
    })

    test("is on the node's network only where it speaks to IMDS", async () => {
      for (const { name, hostNetwork } of processesOf(await rendered)) {
        const speaksToImds = name === 'provider-azure-installer' || name === 'nmi' || 'combined' in values
        assert.equal(hostNetwork, speaksToImds, name)
      }
    })

    test('has a service account of its own with rights of its own, and no token without any', async () => {
      const objects = await rendered
      const bound = new Set(bindingsOf(objects).flatMap(({ subjects }) => subjects.map(({ name }) => name)))
      for (const { name, account, hasToken } of processesOf(objects)) {
        assert.ok(account !== undefined && account !== 'default', name)
        // The provider beside the controller of SecretSyncs reads from the network: the token is the controller's alone.
        const needsToken = bound.has(account) && name !== 'provider-azure'
        assert.equal(hasToken, needsToken, `${name}: a token where there are rights, and only there`)
      }
    })

    test('has no right to everything, and none on Secrets that lets it find them', async () => {
      for (const role of rolesOf(await rendered)) {
        for (const { apiGroups, resources, verbs, resourceNames } of rulesOf(role)) {
          const words = [...apiGroups, ...resources, ...verbs]
          assert.ok(!words.includes('*'), `${role.metadata.name}: a wildcard`)
          const forbidden = ['escalate', 'bind', 'impersonate', 'deletecollection']
          assert.ok(!verbs.some((verb) => forbidden.includes(verb)), role.metadata.name)
          // What reads a SecretSync's values acts as the service account that it names.
          const mayActAs = role.metadata.name === 'secrets-store-sync-controller-manager-role'
          assert.equal(resources.includes('serviceaccounts/token') && !mayActAs, false, role.metadata.name)
          if (!resources.includes('secrets')) continue
          const finds = verbs.includes('list') || verbs.includes('watch')
          assert.ok(!finds || resourceNames?.length === 1, `${role.metadata.name}: Secrets by name`)
        }
      }
    })
  })
}
