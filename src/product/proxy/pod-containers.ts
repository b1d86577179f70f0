export const proxyName = 'azwi-proxy'
export const proxyInitName = 'azwi-proxy-init'

/**
 * User of the proxy, whose own requests the redirection lets pass. Said in the container, because a user of the whole pod
 * would take its place otherwise, and the proxy would ask itself for ever.
 */
const proxyUser = 1501

/** How the two containers look in a pod, whoever puts them there. */
export interface ProxySettings {
  image: string
  initImage: string
  /** More of the proxy's flags. */
  extraArgs: readonly string[]
  /** More of its environment, as a container has it: the way to Entra and whom to trust there. */
  env: readonly { name: string }[]
  /** Its `--log-level`; empty for its default. */
  logLevel: string
  /** The API server knows sidecars: init containers that restart always. */
  nativeSidecar: boolean
}

export interface NewContainer {
  name: string
  [field: string]: unknown
}

/** Answers token requests at the address of IMDS. As a sidecar it ends with the pod's work; older servers run it as one of the containers. */
export function proxyContainer(settings: ProxySettings, port: number): NewContainer {
  const { image, extraArgs, env, logLevel, nativeSidecar } = settings
  const flags = [`--proxy-port=${port}`, `--log-level=${logLevel}`]
  return {
    name: proxyName,
    image,
    imagePullPolicy: 'IfNotPresent',
    args: ['proxy', ...flags, ...extraArgs],
    ...(env.length === 0 ? {} : { env }),
    ports: [{ containerPort: port }],
    // The containers after it start when it answers.
    lifecycle: { postStart: { exec: { command: ['/proxy', '--probe', ...flags] } } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: proxyUser,
      runAsGroup: proxyUser,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    ...(nativeSidecar ? { restartPolicy: 'Always' } : {}),
  }
}

/** Redirects the pod's requests to IMDS to the proxy, with the two capabilities that take, and no other right. */
export function proxyInitContainer({ initImage }: ProxySettings, port: number): NewContainer {
  return {
    name: proxyInitName,
    image: initImage,
    imagePullPolicy: 'IfNotPresent',
    args: ['proxy-init'],
    env: [{ name: 'PROXY_PORT', value: String(port) }],
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: false,
      runAsUser: 0,
      seccompProfile: { type: 'RuntimeDefault' },
    },
  }
}
