import type { ProxySettings } from './webhook-settings.ts'

export const proxyName = 'azwi-proxy'
export const proxyInitName = 'azwi-proxy-init'

export interface NewContainer {
  name: string
  [field: string]: unknown
}

/** Answers token requests at the address of IMDS. As a sidecar it ends with the pod's work; older servers run it as one of the containers. */
export function proxyContainer({ image, logLevel, nativeSidecar }: ProxySettings, port: number): NewContainer {
  const flags = [`--proxy-port=${port}`, `--log-level=${logLevel}`]
  return {
    name: proxyName,
    image,
    imagePullPolicy: 'IfNotPresent',
    args: flags,
    ports: [{ containerPort: port }],
    // The containers after it start when it answers.
    lifecycle: { postStart: { exec: { command: ['/proxy', `--proxy-port=${port}`, '--probe', flags[1] ?? ''] } } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
    },
    ...(nativeSidecar ? { restartPolicy: 'Always' } : {}),
  }
}

/** Redirects the pod's requests to IMDS to the proxy. */
export function proxyInitContainer({ initImage }: ProxySettings, port: number): NewContainer {
  return {
    name: proxyInitName,
    image: initImage,
    imagePullPolicy: 'IfNotPresent',
    env: [{ name: 'PROXY_PORT', value: String(port) }],
    securityContext: {
      capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
      privileged: true,
      runAsNonRoot: false,
      runAsUser: 0,
    },
  }
}
