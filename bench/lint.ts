/**
 * How long `keymount lint` takes for 1,000 documents (aim: 2 s): classes, Deployments, service accounts and SecretSyncs of 250
 * applications in as many files, half of them with a mistake. The command is run as a process, as a user does.
 *
 *   node bench/lint.ts [--applications N]
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { benchOptions } from './support/options.ts'

const { applications } = benchOptions({ applications: 250 })
const aimSeconds = 2

const directory = mkdtempSync(join(tmpdir(), 'keymount-lint-'))
try {
  for (let index = 0; index < applications; index++) writeFileSync(join(directory, `${index}.yaml`), manifests(index))
  const seconds = Array.from({ length: 5 }, run).toSorted((a, b) => a - b)
  const median = seconds[2] ?? 0
  console.log(`${applications * 4} documents: ${median.toFixed(2)} s (aim ${aimSeconds} s)`)
  console.log(JSON.stringify({ documents: applications * 4, seconds, aimSeconds }))
} finally {
  rmSync(directory, { recursive: true })
}

function run(): number {
  const entry = resolve(import.meta.dirname, '../bin/keymount.mjs')
  const startedAt = performance.now()
  try {
    execFileSync(process.execPath, [entry, 'lint', directory, '-o', 'json'], { maxBuffer: 64 * 1024 * 1024 })
  } catch (error) {
    // Findings are status 1.
    if ((error as { status?: number }).status !== 1) throw error
  }
  return (performance.now() - startedAt) / 1000
}

function manifests(index: number): string {
  const name = `app-${index}`
  const entries = Array.from({ length: 10 }, (_, object) => {
    const type = index % 2 === 0 && object === 9 ? 'secrets' : 'secret'
    return `        - |\n          objectName: ${name}-object-${object}\n          objectType: ${type}\n          objectAlias: files/${object}\n`
  })
  return `apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata:
  name: ${name}
  namespace: shop
spec:
  provider: azure
  parameters:
    keyvaultName: shop-${index % 20}
    tenantID: contoso.com
    objects: |
      array:
${entries.join('')}---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: ${name}
  namespace: shop
  annotations:
    azure.workload.identity/client-id: 3f2504e0-4f89-11d3-9a0c-0305e82c3301
---
apiVersion: secret-sync.x-k8s.io/v1alpha1
kind: SecretSync
metadata:
  name: ${name}
  namespace: shop
spec:
  secretProviderClassName: ${name}
  serviceAccountName: ${name}
  secretObject:
    type: Opaque
    data:
      - sourcePath: files/1
        targetKey: password
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
  namespace: shop
spec:
  replicas: 3
  selector:
    matchLabels: {app: ${name}}
  template:
    metadata:
      labels: {app: ${name}}
    spec:
      serviceAccountName: ${name}
      containers:
        - name: app
          image: example.com/app:1
          env:
            - name: PASSWORD
              valueFrom:
                secretKeyRef:
                  name: ${name}
                  key: ${index % 3 === 0 ? 'pasword' : 'password'}
          volumeMounts:
            - name: secrets
              mountPath: /mnt/secrets
      volumes:
        - name: secrets
          csi:
            driver: secrets-store.csi.k8s.io
            readOnly: true
            volumeAttributes:
              secretProviderClass: ${name}
`
}
