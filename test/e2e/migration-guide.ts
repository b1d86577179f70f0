import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { getCACertificates } from 'node:tls'
import { chartDirectory } from '../packaging/charts/helm.ts'
import type { TestAzure } from '../support/local-azure.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { startShell, type Typed } from '../walkthroughs/shell-session.ts'

const root = resolve(import.meta.dirname, '../..')
const guide = readFileSync(join(root, 'docs/migrate-from-pod-identity.md'), 'utf8')

/** `docs/migrate-from-pod-identity.md`, as a reader types it. */
export interface MigrationGuide {
  /** Types the commands of the section with this number, one block after the other; each has to succeed. Gives the last answer. */
  follow(section: number): Promise<Typed>
}

export interface MigrationGuideOptions {
  azure: TestAzure
  /** Values of the variables that the guide sets first, beside the tenant. */
  variables: Record<'RELEASE' | 'RELEASE_NAMESPACE' | 'NAMESPACE', string>
  /** Host of the API server, which no proxy leads to. */
  apiServer: string
  /** File. */
  kubeconfig: string
}

/** A terminal with kubectl, helm, keymount, and an az that is signed in. Type nothing before the promise resolves. */
export async function openMigrationGuide(t: TestContext, options: MigrationGuideOptions): Promise<MigrationGuide> {
  const { azure, variables, apiServer, kubeconfig } = options
  const directory = temporaryDirectory(t, 'keymount-migration-')
  const bundle = join(directory, 'bundle.pem')
  writeFileSync(bundle, [...getCACertificates('system'), readFileSync(azure.caFile, 'utf8')].join('\n'))
  writeFileSync(
    join(directory, 'keymount'),
    `#!/bin/sh\nexec '${process.execPath}' '${root}/bin/keymount.mjs' "$@"\n`,
    {
      mode: 0o755,
    },
  )
  const shell = startShell(directory, {
    PATH: `${directory}:${process.env.PATH ?? ''}`,
    HOME: directory,
    KUBECONFIG: kubeconfig,
    HTTPS_PROXY: azure.proxyUrl,
    NO_PROXY: apiServer,
    REQUESTS_CA_BUNDLE: bundle,
    AZURE_CORE_COLLECT_TELEMETRY: 'no',
    AZURE_CORE_ONLY_SHOW_ERRORS: 'yes',
  })
  t.after(() => shell.stop())
  const type = async (text: string) => {
    const typed = await shell.type(text)
    assert.equal(typed.status, 0, `${text}\n${typed.stdout}\n${typed.stderr}`)
    return typed
  }
  const { clientId, clientSecret, tenantId } = azure.administrator
  await type(`az login --service-principal -u ${clientId} -p '${clientSecret}' --tenant ${tenantId} --output none`)

  const [introduction = '', ...sections] = guide.split(/^## \d+\. /m)
  await type(blocksOf(introduction).join('\n'))
  // What the reader puts in place of the page's own examples.
  const values = { ...variables, CHART: chartDirectory }
  for (const [name, value] of Object.entries(values)) await type(`export ${name}='${value}'`)

  return {
    async follow(number) {
      let last: Typed = { status: 0, stdout: '', stderr: '' }
      const blocks = blocksOf(sections[number - 1] ?? '')
      assert.ok(blocks.length > 0, `section ${number} has commands`)
      for (const block of blocks) last = await type(block)
      return last
    },
  }
}

function blocksOf(section: string): string[] {
  return [...section.matchAll(/^```bash\n([\s\S]*?)^```/gm)].map(([, text = '']) => text)
}
