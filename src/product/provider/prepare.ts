import { createObjectsParser } from '#azure/class'
import { findCloud } from '#azure/identity'
import { type Clock, Problems } from '#lib'
import type { HttpClient } from '#lib/http'
import { parseMount } from './parse-mount.ts'
import { decodeMountRequest } from './parse-mount-request.ts'

export interface PrepareOptions {
  client: HttpClient
  /** Of classes that name none. */
  cloudName: string
  /** Reads the keys of the cluster; undefined without a cluster. */
  readKeys: (() => Promise<void>) | undefined
  clock: Clock
}

/**
 * What the first mount would otherwise wait for: a connection to Entra, the cluster's keys, and the code that reads a request. Where
 * something of it is not possible now, the first mount finds out.
 *
 * @returns a function that ends it
 */
export function prepare({ client, cloudName, readKeys, clock }: PrepareOptions): () => void {
  const cloud = findCloud(cloudName)
  if (cloud !== undefined) client.prepare(new URL(cloud.authority), 1)
  void readKeys?.()
  return clock.after(0, () => readExample())
}

/** Reading a class is most of the CPU of a first mount, and its code is compiled by the first class. */
function readExample(): void {
  const objects = ['a', 'b', 'c'].map(
    (name) => `  - |\n    objectName: ${name}\n    objectType: secret\n    objectVersion: ""\n`,
  )
  const attributes = { keyvaultName: 'example', tenantID: 'example', objects: `array:\n${objects.join('')}` }
  const request = { attributes: JSON.stringify(attributes), secrets: 'null', targetPath: '', permission: '420' }
  const decoded = decodeMountRequest({ ...request, currentObjectVersion: [] })
  parseMount(decoded, new Problems(), createObjectsParser())
}
