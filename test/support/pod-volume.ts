import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type NodePublishVolumeRequest, VolumeCapability_AccessMode_Mode } from '#kubernetes/csi'

export interface TestPod {
  name: string
  namespace: string
  uid: string
  targetPath: string
  request: NodePublishVolumeRequest
}

/** What kubelet asks for a volume of a pod. */
export function podVolume(options: {
  kubeletRoot: string
  name: string
  namespace: string
  uid: string
  className: string
  volume: string
}): TestPod {
  const { kubeletRoot, name, namespace, uid, className, volume } = options
  const targetPath = join(kubeletRoot, 'pods', uid, 'volumes', 'kubernetes.io~csi', volume, 'mount')
  return {
    name,
    namespace,
    uid,
    targetPath,
    request: {
      volumeId: `csi-${createHash('sha256').update(`${uid}${volume}`).digest('hex')}`,
      publishContext: {},
      stagingTargetPath: '',
      targetPath,
      volumeCapability: {
        accessType: { $case: 'mount', value: { fsType: '', mountFlags: [], volumeMountGroup: '' } },
        accessMode: { mode: VolumeCapability_AccessMode_Mode.SINGLE_NODE_WRITER },
      },
      readonly: true,
      secrets: {},
      volumeContext: {
        secretProviderClass: className,
        'csi.storage.k8s.io/pod.name': name,
        'csi.storage.k8s.io/pod.namespace': namespace,
        'csi.storage.k8s.io/pod.uid': uid,
        'csi.storage.k8s.io/serviceAccount.name': 'default',
        'csi.storage.k8s.io/ephemeral': 'true',
        'csi.storage.k8s.io/serviceAccount.tokens': JSON.stringify({
          aud1: { token: 'token-of-the-pod', expirationTimestamp: '2036-01-01T00:00:00Z' },
        }),
      },
    },
  }
}
