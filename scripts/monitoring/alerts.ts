/** What an alert names: the part of the product whose metrics it reads. A rule of an optional part is installed with that part only. */
export type AlertPart = 'events' | 'restart' | 'sync' | 'webhook'

export interface Alert {
  /** The heading of its runbook in docs/alerts.md too. */
  name: string
  expr: string
  /** How long the expression has to hold, as a Prometheus duration. Absent: the first evaluation fires. */
  for?: string
  severity: 'warning' | 'critical'
  needs?: AlertPart
  /** One sentence, with labels that the expression keeps. */
  summary: string
  /** What it means for pods. */
  meaning: string
  /** Why this threshold and this duration. */
  why: string
  /** Steps of the runbook, most likely cause first; code in backquotes is what to type. */
  steps: readonly string[]
}

const hour = 3600

/** Every alert. The chart's PrometheusRule, the rules file and docs/alerts.md are made from this table. */
export const alerts: readonly Alert[] = [
  {
    name: 'KeymountRotationFailing',
    expr: 'sum by (namespace, class) (rotation_failing_volumes) > 0',
    for: '15m',
    severity: 'warning',
    summary: 'Volumes of class {{ $labels.namespace }}/{{ $labels.class }} keep old values',
    meaning:
      'The last check of a volume failed. Its files stay as they are and pods go on, with values that may be older than the vault’s.',
    why:
      'A failed check is tried again after 15 s, then after 30 s, 1 m, 2 m, 4 m and every 5 m, but never later than the next regular check: ' +
      '15 minutes are at least six failures in a row, and not a restart. `keymount status volumes` shows the last try and the next one.',
    steps: [
      '`kubectl get secretproviderclasspodstatuses -n NAMESPACE` has the time of the last failure per volume, and `kubectl get events -n NAMESPACE --field-selector reason=MountRotationFailed` the reason with its code.',
      '`keymount explain CODE`, or [errors.md](errors.md), has cause and fix of the code.',
      '`keymount doctor class/CLASS -n NAMESPACE` follows the data path to the step that fails.',
    ],
  },
  {
    name: 'KeymountRotationLate',
    expr: 'max by (namespace, class) (time() - rotation_next_check_timestamp_seconds) > 300',
    for: '5m',
    severity: 'warning',
    summary: 'Volumes of class {{ $labels.namespace }}/{{ $labels.class }} are not checked any more',
    meaning:
      'A check was due more than five minutes ago and did not happen. A change in the vault does not reach these pods.',
    why: 'The driver reports when the next check is due, so that the threshold is independent of the interval of the class. Five minutes are more than a restart of the driver, which waits up to two for kubelet.',
    steps: [
      '`kubectl get pods -n kube-system -l app=secrets-store-csi-driver -o wide` has the drivers; one that restarts or waits is on the node of the late volumes.',
      'A driver after a restart waits for kubelet to publish the volume again with a fresh token: look at kubelet’s log on that node.',
      '`keymount doctor node/NODE` checks the node.',
    ],
  },
  {
    name: 'KeymountMountErrors',
    expr: 'sum by (error_type) (rate(node_publish_error_total[10m])) > 0',
    for: '10m',
    severity: 'warning',
    summary: 'Mounts fail with {{ $labels.error_type }}',
    meaning: 'At least one pod does not start, because its volume cannot be mounted.',
    why: 'kubelet repeats a failing mount for ever, so that one pod with a mistake in its class is enough. Ten minutes are longer than a rollout in which class and identity are applied one after the other.',
    steps: [
      '`kubectl get events -A --field-selector reason=FailedMount` names the pods, with the error.',
      '`keymount explain CODE`, or [errors.md](errors.md), has cause and fix of the code.',
      '`keymount doctor pod/POD -n NAMESPACE --azure` follows the data path of one pod.',
    ],
  },
  {
    name: 'KeymountMountsFailing',
    expr: 'sum by (error_type) (rate(node_publish_error_total[10m])) > 0.1',
    for: '15m',
    severity: 'critical',
    summary: 'Many pods do not start, because mounts fail with {{ $labels.error_type }}',
    meaning: 'Mounts fail for many pods at once: a vault, Entra, the network or the provider is down.',
    why: 'One pod with a mistake in its class fails once in two minutes, at most 0.01 in a second. 0.1 is a dozen pods.',
    steps: [
      'The code names what does not answer: `vault-unreachable` and `entra-unreachable` are the network or Azure, `provider-unavailable` is the provider of a node.',
      '`kubectl get pods -n kube-system -l app=secrets-store-provider-azure -o wide` shows whether providers run.',
      '[outages.md](outages.md) describes how new pods can start while a vault does not answer.',
    ],
  },
  {
    name: 'KeymountServingStale',
    expr: 'sum by (namespace, class) (stale_volumes) > 0',
    for: '5m',
    severity: 'warning',
    summary:
      'Pods of class {{ $labels.namespace }}/{{ $labels.class }} run on values from before an outage, or of a fallback vault',
    meaning:
      'The vault did not answer when these pods started, and the class lets them start with older values (`serveStaleFor`, `fallbackKeyvaultName`, `fallbackSecretName`).',
    why: 'These volumes are read again every 15 seconds, so that five minutes are an outage, or a mistyped `keyvaultName` whose fallback hides it.',
    steps: [
      '`kubectl get events -n NAMESPACE --field-selector reason=MountedStale` has the reason.',
      'Is the vault’s name right? `keymount doctor class/CLASS -n NAMESPACE` asks it.',
      'Nothing else to do in an outage: it ends by itself with the first answer of the vault ([outages.md](outages.md)).',
    ],
  },
  {
    name: 'KeymountFallbackVaultAnswers',
    expr: 'sum by (outcome) (increase(keymount_provider_reads_total{outcome="fallback"}[10m])) > 0',
    severity: 'warning',
    summary: 'New pods get values of their fallback vault, because the vault of their class cannot answer',
    meaning: 'A pod has started with values of `fallbackKeyvaultName`.',
    why: 'At once, because a fallback vault may be behind. It ends ten minutes after the last such read; KeymountServingStale shows the pods that are still on it.',
    steps: ['As for [KeymountServingStale](#keymountservingstale).'],
  },
  {
    name: 'KeymountVaultThrottled',
    expr: 'sum by (host) (rate(keymount_provider_throttled_total[5m])) > 0',
    for: '5m',
    severity: 'warning',
    summary: '{{ $labels.host }} asks for fewer requests',
    meaning: 'A vault (or Entra) answers 429. Mounts and rotations of that vault take longer, and fail if it goes on.',
    why: 'A few are normal in a rollout. Key Vault counts in spans of 10 seconds, so that five minutes of answers are not a burst.',
    steps: [
      'The dashboard "Keymount: vault budget" shows which vault gets how many requests, and how many are avoided.',
      'Raise `rotationPollInterval`, or `syncInterval` of the classes with most volumes; or have events instead of polling ([events.md](events.md)).',
      'Other clients of the vault share its budget: its diagnostic logs name them. Use several vaults.',
    ],
  },
  {
    name: 'KeymountVaultBudget',
    expr: 'sum by (vault) (rate(keymount_provider_vault_requests_total[5m])) * 10 > 2000',
    for: '10m',
    severity: 'warning',
    summary: '{{ $labels.vault }} gets {{ $value | humanize }} requests in 10 seconds of this cluster; it takes 4,000',
    meaning: 'This cluster uses more than half of what a vault answers. At the whole, it throttles.',
    why: 'Key Vault takes 4,000 requests in 10 seconds per vault and region. Half of it leaves room for a rollout, and for other clients.',
    steps: [
      'As for [KeymountVaultThrottled](#keymountvaultthrottled).',
      '[scale.md](scale.md) has how many requests a cluster makes.',
    ],
  },
  {
    name: 'KeymountCertificateExpires',
    expr: `min by (vault, object_name) (certificate_expiry_timestamp_seconds) - time() < ${14 * 24 * hour}`,
    for: '1h',
    severity: 'warning',
    summary:
      'The mounted certificate {{ $labels.object_name }} of {{ $labels.vault }} expires in {{ $value | humanizeDuration }}',
    meaning: 'Pods present a certificate that peers will soon refuse.',
    why: 'Two weeks are enough to renew by hand. Vaults that renew begin earlier by default, so that this late they did not.',
    steps: [
      '`az keyvault certificate show --vault-name VAULT --name NAME --query attributes` has the dates of the newest version. If it is newer than the mounted one, see [KeymountRotationFailing](#keymountrotationfailing), or `objectVersion` of the class names an old version.',
      '`az keyvault certificate pending show --vault-name VAULT --name NAME` has the reason why a renewal did not finish.',
    ],
  },
  {
    name: 'KeymountObjectExpires',
    expr: 'min by (vault, object_name) (keymount_provider_object_expiry_days{object_type!="cert"}) < 14',
    for: '1h',
    severity: 'warning',
    summary: '{{ $labels.object_name }} in {{ $labels.vault }} expires in {{ $value }} days',
    meaning:
      'A mounted secret or key has an expiry date that is near. Azure goes on to return an expired secret; the service that issued its value may not accept it.',
    why: 'Two weeks are enough to renew what is not renewed automatically. Without names of objects (`--object-name-labels=none`) it is one alert per vault.',
    steps: [
      'Set a new version with a later date: `az keyvault secret set --vault-name VAULT --name NAME --expires DATE --file FILE`.',
    ],
  },
  {
    name: 'KeymountSecretsNotWritten',
    expr: 'sum by (provider) (rate(sync_k8s_secret_error_total[10m])) > 0',
    for: '15m',
    severity: 'warning',
    summary: 'Kubernetes Secrets of secretObjects are not written',
    meaning: 'The files of the volumes are current; a Kubernetes Secret has an older value, or does not exist.',
    why: 'A conflict with another writer ends with the next attempt; 15 minutes of failures do not.',
    steps: [
      '`kubectl get events -A --field-selector reason=FailedToCreateSecret` has the reason.',
      'Does the driver have its rights on Secrets? `syncSecret.enabled` gives them, and `syncSecret.namespaces` restricts them.',
    ],
  },
  {
    name: 'KeymountSignInFailing',
    expr: 'sum by (kind) (rate(keymount_provider_token_acquisitions_total{outcome="error"}[10m])) > 0',
    for: '15m',
    severity: 'warning',
    summary: 'Sign-ins to Microsoft Entra ID fail ({{ $labels.kind }})',
    meaning: 'Volumes of some identity cannot be mounted or checked.',
    why: 'A new federated credential takes some minutes until Entra knows it everywhere.',
    steps: [
      '`sum by (result) (rate(entra_token_requests_total{result!="ok"}[10m]))` separates refusals from outages.',
      'Refused: `keymount identity doctor` compares service accounts, federated credentials and classes ([identity.md](identity.md)).',
    ],
  },
  {
    name: 'KeymountEventsDown',
    expr: 'min by (source) (events_source_up) == 0',
    for: '10m',
    severity: 'warning',
    needs: 'events',
    summary: 'No events of vaults are received from {{ $labels.source }}',
    meaning: 'Changes in vaults reach pods with the interval of their class instead of at once.',
    why: 'Storage has short outages; ten minutes are not one.',
    steps: [
      '`keymount events status` has the error of the queue.',
      'Forbidden: the identity of the operator needs the role Storage Queue Data Message Processor on the queue ([events.md](events.md)).',
    ],
  },
  {
    name: 'KeymountEventsMissing',
    expr: 'absent(events_source_up)',
    for: '15m',
    severity: 'warning',
    needs: 'events',
    summary: 'No operator reports whether events of vaults arrive',
    meaning:
      'The operator does not run, or is not scraped. The series of KeymountEventsDown ends with the operator, and then that alert has nothing to compare.',
    why: 'An update of the operator takes less than 15 minutes.',
    steps: ['`kubectl get pods -n kube-system -l app=keymount-operator`, then `kubectl describe` of the pod.'],
  },
  {
    name: 'KeymountSyncNotReady',
    expr: 'secretsync_ready == 0',
    for: '15m',
    severity: 'warning',
    needs: 'sync',
    summary: 'SecretSync {{ $labels.namespace }}/{{ $labels.name }} is not Ready',
    meaning: 'The Kubernetes Secret of this SecretSync does not exist, or has an older value.',
    why: 'Failures are tried again within seconds at first; 15 minutes include the slower attempts after them.',
    steps: [
      '`kubectl get secretsync NAME -n NAMESPACE -o yaml` has the conditions with reason and message.',
      '[secret-sync.md](secret-sync.md) has every reason.',
    ],
  },
  {
    name: 'KeymountSyncServingStale',
    expr: 'sum by (namespace) (secretsync_stale) > 0',
    for: '5m',
    severity: 'warning',
    needs: 'sync',
    summary:
      'Secrets of SecretSyncs in {{ $labels.namespace }} have values from before an outage, or of a fallback vault',
    meaning:
      'The vault did not answer, and the class lets Secrets be made of older values (`serveStaleFor`, `fallbackKeyvaultName`).',
    why: 'As for KeymountServingStale: five minutes are an outage, or a mistyped `keyvaultName` whose fallback hides it.',
    steps: [
      '`kubectl get secretsyncs -n NAMESPACE` and the condition `SecretUpdated` with the reason SecretStale name them.',
      'As for [KeymountServingStale](#keymountservingstale).',
    ],
  },
  {
    name: 'KeymountRestartStuck',
    expr: 'sum by (reason) (restart_pending{reason!~"window|min-interval"}) > 0',
    for: '1h',
    severity: 'warning',
    needs: 'restart',
    summary: 'Workloads wait for their restart after a rotation ({{ $labels.reason }})',
    meaning:
      'Pods run with older values than their volumes have, and the restart that their annotation asks for does not happen.',
    why: 'A rollout may take most of an hour. Workloads that wait for their `restart-window` or `restart-min-interval` do not count: that is what their owner asked for.',
    steps: [
      '`keymount restart status` lists the workloads with the reason; [restart.md](restart.md) has what each waits for.',
      '`rollout`: a rollout is not finished, `kubectl rollout status`. `paused`: the owner paused it. `failed`: the log of the operator has the error.',
    ],
  },
  {
    name: 'KeymountVolumeMemoryNearlyFull',
    expr: 'volume_memory_bytes / volume_memory_budget_bytes > 0.8',
    for: '10m',
    severity: 'warning',
    summary: 'The volumes of {{ $labels.node }} use most of their memory',
    meaning: 'Beyond the budget, new pods of the node are refused.',
    why: 'The last fifth is time to react.',
    steps: [
      'Raise the memory limit of the driver (`linux.driver.resources`), or `volumeMemoryBudget` ([limits.md](limits.md)).',
    ],
  },
  {
    name: 'KeymountWebhookRefusesPods',
    expr: 'sum by (result) (rate(azwi_mutation_request_count{result="failed"}[5m])) > 0',
    for: '10m',
    severity: 'critical',
    needs: 'webhook',
    summary: 'The webhook cannot process pods',
    meaning: 'Labelled pods are refused (`failurePolicy: Fail`).',
    why: 'A failure is ours or the API server’s, never a pod’s; ten minutes are not an update.',
    steps: ['`kubectl logs -n kube-system -l app=workload-identity-webhook` has the error.'],
  },
  {
    name: 'KeymountWebhookCertificateExpires',
    expr: `keymount_webhook_certificate_expiry_timestamp_seconds - time() < ${3 * 24 * hour}`,
    severity: 'critical',
    needs: 'webhook',
    summary: 'The certificate of the webhook is not renewed',
    meaning: 'At its end the API server does not trust the webhook any more, and labelled pods are refused.',
    why: 'Renewal begins weeks earlier, so that this close to the end it does not work.',
    steps: [
      '`kubectl logs -n kube-system -l app=workload-identity-webhook` has the error; the webhook needs its rights on its Secret and its configurations.',
    ],
  },
  {
    name: 'KeymountDown',
    expr: 'up{job="keymount"} == 0',
    for: '10m',
    severity: 'critical',
    summary: '{{ $labels.app }} on {{ $labels.node }} does not answer',
    meaning:
      'A daemon does not run, or cannot be scraped. Without driver or provider, pods of the node keep their files, and new ones wait.',
    why: 'An update of a node takes less than ten minutes.',
    steps: [
      '`kubectl get pods -n kube-system -l app.kubernetes.io/name=keymount -o wide`, then `kubectl describe` and `kubectl logs --previous` of the pod.',
    ],
  },
]
