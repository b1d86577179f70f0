import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFile } from '#lib/files'

export interface WayToAzure {
  proxy: string
  imds: string
  caPem: string
  noProxy: readonly string[]
  /** For pods with networks of their own: servers of this machine by the address at which pods reach them, both as `ADDRESS:PORT`. */
  forwards?: Readonly<Record<string, string>> | undefined
}

const trustFile = 'etc/keymount/lab/ca.pem'

/**
 * Gives every container of Keymount's image in a local cluster the way to the local Azure, however it was installed: files and
 * default variables that lie over the image (`local-cluster --image-overlay`). A pod's own variables win.
 */
export function writeImageOverlay(directory: string, { proxy, imds, caPem, noProxy, forwards = {} }: WayToAzure): void {
  mkdirSync(join(directory, trustFile, '..'), { recursive: true, mode: 0o755 })
  // Readable for the users that containers run as.
  replaceFile(join(directory, trustFile), caPem, 0o644)
  const environment = {
    HTTPS_PROXY: proxy,
    NO_PROXY: noProxy.join(','),
    NODE_EXTRA_CA_CERTS: `/${trustFile}`,
    AZURE_POD_IDENTITY_AUTHORITY_HOST: imds,
  }
  replaceFile(join(directory, '.forwards'), `${JSON.stringify(forwards, null, 2)}\n`, 0o644)
  replaceFile(join(directory, '.environment'), `${JSON.stringify(environment, null, 2)}\n`, 0o644)
}
