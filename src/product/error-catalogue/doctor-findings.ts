import type { Explanation } from './explanation.ts'

/** What `keymount doctor` and the controllers find in a cluster before, beside or after a mount. */
export type FindingCode =
  | 'change-not-applied'
  | 'check-late'
  | 'client-id-missing'
  | 'csidriver-audience-missing'
  | 'csidriver-missing'
  | 'csidriver-pod-info-off'
  | 'csidriver-republish-off'
  | 'deployment-not-ready'
  | 'driver-name-wrong'
  | 'driver-not-on-node'
  | 'driver-not-ready'
  | 'driver-not-registered'
  | 'env-node-too-old'
  | 'env-not-added'
  | 'events-unavailable'
  | 'mounted-by-subpath'
  | 'pod-label-missing'
  | 'pod-not-created'
  | 'pod-not-scheduled'
  | 'pod-token-missing'
  | 'pod-waits'
  | 'provider-not-on-node'
  | 'provider-not-ready'
  | 'publish-secret-missing'
  | 'restart-by-hand'
  | 'restart-misconfigured'
  | 'restart-pending'
  | 'rotation-failing'
  | 'rotation-off'
  | 'secret-behind'
  | 'secret-foreign'
  | 'secret-missing'
  | 'secret-not-written'
  | 'secret-objects-invalid'
  | 'secret-sync-not-ready'
  | 'service-account-missing'
  | 'service-principal-missing'
  | 'values-stale'
  | 'vault-deleted'
  | 'version-pinned'
  | 'version-skew'
  | 'volume-not-read-only'
  | 'webhook-not-ready'

const productPods = '`kubectl get pods -A -l "app in (secrets-store-provider-azure,secrets-store-csi-driver)" -o wide`'

/** Every finding of `keymount doctor` that is not an error of a mount, by its stable code. */
export const findings: Readonly<Record<FindingCode, Explanation>> = {
  'change-not-applied': {
    meaning: 'The vault reported a change, and a volume of the class has not been checked since.',
    fix: '`keymount rotate CLASS -n NAMESPACE` reads the values now. If it stays, look at the driver of the node: `keymount doctor node/NODE`.',
  },
  'check-late': {
    meaning: 'The last check of a volume is longer ago than the interval of its class allows.',
    fix: `The driver of that node does not run, or waits for a token from kubelet: ${productPods}, then \`kubectl rollout restart -n kube-system daemonset/secrets-store-csi-driver\`.`,
  },
  'client-id-missing': {
    meaning: 'Neither the class nor the service account of the pod names the identity that signs in.',
    fix: '`kubectl annotate serviceaccount NAME -n NAMESPACE azure.workload.identity/client-id=CLIENT_ID`, or set `clientID` of the class.',
  },
  'csidriver-audience-missing': {
    meaning: 'The CSIDriver object does not ask kubelet for tokens of the audience `api://AzureADTokenExchange`.',
    fix: '`keymount doctor` prints the patch of its `tokenRequests`. Usually another release or upstream’s driver owns the object.',
  },
  'csidriver-missing': {
    meaning: 'There is no CSIDriver object `secrets-store.csi.k8s.io`: Keymount is not installed in this cluster.',
    fix: 'Install it: `helm upgrade --install keymount charts/keymount --namespace kube-system`.',
  },
  'csidriver-pod-info-off': {
    meaning:
      'The CSIDriver object has `podInfoOnMount: false`: kubelet does not name the pod, so nothing can be mounted.',
    fix: '`kubectl patch csidriver secrets-store.csi.k8s.io --type merge --patch \'{"spec":{"podInfoOnMount":true}}\'`',
  },
  'csidriver-republish-off': {
    meaning:
      'The CSIDriver object has `requiresRepublish: false`: kubelet gives the driver no fresh tokens, so rotation ends after an hour.',
    fix: '`kubectl patch csidriver secrets-store.csi.k8s.io --type merge --patch \'{"spec":{"requiresRepublish":true}}\'`',
  },
  'deployment-not-ready': {
    meaning:
      'Pods of a Deployment of Keymount are not ready: of the operator, the sync controller, the webhook or MIC.',
    fix: '`kubectl describe deployment NAME -n NAMESPACE` has the reason; one that is scaled to 0: `kubectl scale deployment/NAME --replicas 1 -n NAMESPACE`.',
  },
  'driver-name-wrong': {
    meaning: 'A volume of the pod names a CSI driver that does not exist, and looks like ours.',
    fix: 'Set `csi.driver: secrets-store.csi.k8s.io` in the volume.',
  },
  'driver-not-on-node': {
    meaning: 'No pod of the driver runs on the node of the pod.',
    fix: 'Compare `nodeSelector`, affinity and tolerations of the DaemonSet with labels and taints of the node; chart values `linux.nodeSelector`, `linux.tolerations`.',
  },
  'driver-not-ready': {
    meaning: 'The pod of the driver on the node is not ready.',
    fix: `${productPods}, and the log of that pod.`,
  },
  'driver-not-registered': {
    meaning: 'The driver runs, and kubelet does not know it: the CSINode object does not list it.',
    fix: 'kubelet’s root may not be `/var/lib/kubelet` (chart value `linux.kubeletRootDir`). Otherwise restart the driver: `kubectl rollout restart -n kube-system daemonset/secrets-store-csi-driver`.',
  },
  'env-node-too-old': {
    meaning:
      'The pod has environment variables from files, and the kubelet of its node is older than 1.35: the variables are empty.',
    fix: 'Upgrade the node, or let the pod run on newer ones only (`nodeSelector`).',
  },
  'env-not-added': {
    meaning:
      'The pod has the annotation `keymount.dev/env`, and no webhook has added its environment variables: its containers run without them.',
    fix: '`keymount doctor pod/NAME -n NAMESPACE` prints which it is, and the command: no webhook of Keymount (that of AKS and upstream’s do not know the annotation), `webhook.envFiles.enabled` is off, the namespace or the pod lacks a label, or the pod is older than the webhook. Then create the pod again.',
  },
  'events-unavailable': {
    meaning: 'The operator receives no events of the vaults; volumes follow by their interval.',
    fix: 'The reason is in the message: the queue, its name resolution, or the role “Storage Queue Data Message Processor” of the operator’s identity. `keymount events status` examines them.',
  },
  'mounted-by-subpath': {
    meaning: 'A container mounts a file of the volume by `subPath`: it keeps its first content, whatever is rotated.',
    fix: 'Mount the whole volume in a directory of its own.',
  },
  'pod-label-missing': {
    meaning: 'The pod needs the workload identity webhook and lacks the label that asks for it.',
    fix: 'Set `azure.workload.identity/use: "true"` on the pod (of a Deployment: in `spec.template.metadata.labels`).',
  },
  'pod-not-created': {
    meaning: 'The workload has no pod, or fewer than it wants: creating them is refused.',
    fix: '`kubectl get events -n NAMESPACE --field-selector reason=FailedCreate` has the reason: a quota, an admission policy, a missing service account.',
  },
  'pod-not-scheduled': {
    meaning: 'The pod has no node yet, so nothing has been mounted.',
    fix: 'The message is the scheduler’s: node selector, taints or resources.',
  },
  'pod-token-missing': {
    meaning:
      'The pod has the label and no token of the webhook, or values that are no longer those of its service account.',
    fix: 'Create the pod again, with the webhook running: `kubectl rollout restart deployment/NAME`.',
  },
  'pod-waits': {
    meaning: 'The volumes are mounted, and a container waits for something else.',
    fix: '`kubectl describe pod POD -n NAMESPACE` has the reason at its end.',
  },
  'provider-not-on-node': {
    meaning: 'No pod of the provider runs on the node of the pod.',
    fix: 'Compare `nodeSelector`, affinity and tolerations of the DaemonSet with labels and taints of the node.',
  },
  'provider-not-ready': {
    meaning: 'The pod of the provider on the node is not ready.',
    fix: `${productPods}, and the log of that pod.`,
  },
  'publish-secret-missing': {
    meaning: 'The Secret of `nodePublishSecretRef` does not exist in the namespace of the pod.',
    fix: '`kubectl create secret generic NAME -n NAMESPACE --from-literal=clientid=CLIENT_ID --from-literal=clientsecret=SECRET`',
  },
  'restart-by-hand': {
    meaning: 'Pods of a workload started with older values, and its update strategy is `OnDelete`.',
    fix: 'Delete the pods when it suits: `kubectl delete pod POD -n NAMESPACE`.',
  },
  'restart-misconfigured': {
    meaning: 'An annotation of the workload about restarts cannot be read, so it is not restarted.',
    fix: '`kubectl annotate --overwrite deployment/NAME -n NAMESPACE keymount.dev/restart-on-rotation=true`',
  },
  'restart-pending': {
    meaning: 'Pods of a workload started with older values than are mounted now; the restart is due or waits.',
    fix: '`keymount restart --dry-run -n NAMESPACE` prints what it waits for. `kubectl rollout restart` does not wait.',
  },
  'rotation-failing': {
    meaning: 'The last check of a volume failed for a reason without a code of its own; the old files stay.',
    fix: 'The reason is in the message and in the log of the driver on that node.',
  },
  'rotation-off': {
    meaning: 'The driver of the node does not rotate: values stay as they were when the pod started.',
    fix: 'Chart value `enableSecretRotation=true`, or `--enable-secret-rotation` of the AKS add-on.',
  },
  'secret-behind': {
    meaning: 'A Secret of `secretObjects` carries older versions than the volume.',
    fix: 'It is written again at the next check: `keymount rotate CLASS -n NAMESPACE`. Events `FailedToCreateSecret` of the pod have the reason if it stays.',
  },
  'secret-foreign': {
    meaning: 'A Secret has the name that the class asks for and belongs to something else, so it is left alone.',
    fix: 'Use another `secretName`, or delete the other Secret: `kubectl delete secret NAME -n NAMESPACE`.',
  },
  'secret-missing': {
    meaning: 'A Secret of the class, or one that a container of the pod waits for, does not exist.',
    fix: 'With a pod that mounts the class: `syncSecret.enabled=true` of the chart, and `syncSecret.namespaces`. Without one: a SecretSync.',
  },
  'secret-not-written': {
    meaning: 'The driver could not write a Secret of `secretObjects`.',
    fix: 'The message is the API server’s. Rights: chart values `syncSecret.enabled`, `syncSecret.namespaces`.',
  },
  'secret-objects-invalid': {
    meaning: '`secretObjects` of the class asks for a file that no object has, or cannot be a Secret.',
    fix: 'Correct `spec.secretObjects` of the class; the message names the field.',
  },
  'secret-sync-not-ready': {
    meaning: 'A SecretSync is not Ready.',
    fix: '`kubectl describe secretsync NAME -n NAMESPACE` has the reason of the condition.',
  },
  'service-account-missing': {
    meaning: 'The service account does not exist in the namespace.',
    fix: '`kubectl create serviceaccount NAME -n NAMESPACE`',
  },
  'service-principal-missing': {
    meaning: 'The application has no service principal in the tenant, so it cannot sign in.',
    fix: '`az ad sp create --id CLIENT_ID`',
  },
  'values-stale': {
    meaning: 'The values are from before an outage, or of a fallback, because the vault or Entra did not answer.',
    fix: 'Nothing if the vault was away for a moment: it is asked again every 15 s. Otherwise the event `MountedStale` of the pod has the reason; `vault-name-not-resolved` may be a mistyped `keyvaultName`.',
  },
  'vault-deleted': {
    meaning: 'The vault was deleted and can still be recovered.',
    fix: '`az keyvault recover --name VAULT`',
  },
  'version-pinned': {
    meaning: 'An object has an `objectVersion`: that version is read forever.',
    fix: 'Remove `objectVersion` from the class if the value shall rotate.',
  },
  'version-skew': {
    meaning: 'Driver and provider of a node are of different releases.',
    fix: 'Finish the upgrade: `kubectl rollout status -n kube-system daemonset/secrets-store-csi-driver`.',
  },
  'volume-not-read-only': {
    meaning: 'The volume of the pod is not `readOnly: true`, which the driver requires.',
    fix: 'Set `csi.readOnly: true` in the volume.',
  },
  'webhook-not-ready': {
    meaning: 'The workload identity webhook is not installed, not trusted yet, or not called for this namespace.',
    fix: 'Chart value `webhook.enabled=true`; `keymount doctor` prints the command for this installation.',
  },
}
