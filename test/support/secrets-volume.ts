interface SecretsVolume {
  name: string
  csi: { driver: string; readOnly: boolean; volumeAttributes: Record<string, string> }
}

/** The volume of a pod that mounts a class. */
export function secretsVolume(name: string, className: string): SecretsVolume {
  const volumeAttributes = { secretProviderClass: className }
  return { name, csi: { driver: 'secrets-store.csi.k8s.io', readOnly: true, volumeAttributes } }
}
