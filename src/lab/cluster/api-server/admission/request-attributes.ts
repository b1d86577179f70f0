import type { ApiObject } from '../api-object.ts'
import { apiVersionOf } from '../kinds/resource-row.ts'
import type { AdmissionRequest, Operation, Written } from './admission-request.ts'

const optionKinds: Record<Operation, string> = {
  CREATE: 'CreateOptions',
  UPDATE: 'UpdateOptions',
  DELETE: 'DeleteOptions',
}

/**
 * The request of an AdmissionReview without its objects, which is also `request` in the expressions of policies.
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
 */
export function requestAttributes(request: AdmissionRequest, { object, oldObject }: Written): Record<string, unknown> {
  const { operation, row, version, subresource, namespace, user, dryRun } = request
  const kind = { group: row.group, version, kind: row.kind }
  const resource = { group: row.group, version, resource: row.plural }
  const name = (object ?? oldObject)?.metadata.name
  return {
    kind,
    resource,
    ...(subresource !== '' && { subResource: subresource, requestSubResource: subresource }),
    requestKind: kind,
    requestResource: resource,
    ...(name && { name }),
    ...(namespace !== undefined && { namespace }),
    operation,
    userInfo: { username: user.name, ...(user.uid && { uid: user.uid }), groups: user.groups, extra: user.extra ?? {} },
    dryRun,
    options: { kind: optionKinds[operation], apiVersion: 'meta.k8s.io/v1' },
  }
}

/** Both objects in the version of the request; null where there is none. The object of a subresource may be of another kind. */
export function objectsOf({ row, version, subresource }: AdmissionRequest, { object, oldObject }: Written) {
  const inVersion = (each: ApiObject | undefined) =>
    each === undefined
      ? null
      : subresource !== '' && subresource !== 'status'
        ? each
        : { ...each, apiVersion: apiVersionOf(row.group, version), kind: row.kind }
  return { object: inVersion(object), oldObject: inVersion(oldObject) }
}
