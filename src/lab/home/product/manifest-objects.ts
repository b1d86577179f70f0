import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Container, KubeObject, PodSpec, UntypedObject } from '#kubernetes/client'

interface Deployment extends KubeObject {
  spec: { template: { spec: PodSpec } }
}

/** The objects of a file of `deploy/optional`, with the containers of its Deployments adapted to one cluster. */
export function optionalObjects(
  packageRoot: string,
  file: string,
  container: (one: Container) => Container,
): UntypedObject[] {
  return parseAllDocuments(readFileSync(join(packageRoot, 'deploy/optional', file), 'utf8'))
    .map((document) => document.toJS() as UntypedObject | null)
    .filter((object) => object !== null)
    .map((object) => (object.kind === 'Deployment' ? deployment(object, container) : object))
}

function deployment(object: UntypedObject, container: (one: Container) => Container): UntypedObject {
  const { spec, ...rest } = object as KubeObject as Deployment
  const containers = spec.template.spec.containers.map(container)
  const template = { ...spec.template, spec: { ...spec.template.spec, containers } }
  return { ...rest, spec: { ...spec, template } } as KubeObject as UntypedObject
}
