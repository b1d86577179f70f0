import { asUser, leastRights } from './container-rights.ts'

export const proxyName = 'azwi-proxy'
export const proxyInitName = 'azwi-proxy-init'

/**
 * User of the proxy, whose own requests are not redirected. Set in the container, because otherwise a user that is set for the
 * whole pod would replace it, and the proxy would send its requests to itself for ever.
 */
const proxyUser = 1501

/** What the administrator decides about the two containers. */
export interface ProxySettings {
  image: string
  initImage: string
  /** More of the proxy's flags. */
  extraArgs: readonly string[]
  /** More of its environment variables: the HTTP proxy to Entra, and certificates to trust there. */
  env: readonly { name: string }[]
  /** `resources` of the sidecar, and of its init step. Undefined: none, so that a LimitRange decides. */
  resources?: ContainerResources | undefined
  initResources?: ContainerResources | undefined
  /** Its `--log-level`; empty for its default. */
  logLevel: string
  /** Every node can run sidecars: init containers that restart always. */
  nativeSidecar: boolean
}

/** https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/ */
export interface ContainerResources {
  requests?: Readonly<Record<string, string | number>> | undefined
  limits?: Readonly<Record<string, string | number>> | undefined
}

export interface NewContainer {
  name: string
  [field: string]: unknown
}

/**
 * The proxy. As a sidecar it ends with the pod's work; on older clusters it is one of the ordinary containers. Fields that are
 * undefined do not appear in the patch.
 */
export function proxyContainer(settings: ProxySettings, port: number): NewContainer {
  const { image, extraArgs, env, resources, logLevel, nativeSidecar } = settings
  const flags = [`--proxy-port=${port}`, `--log-level=${logLevel}`]
  return {
    name: proxyName,
    image,
    imagePullPolicy: 'IfNotPresent',
    args: ['proxy', ...flags, ...extraArgs],
    env: env.length === 0 ? undefined : env,
    resources,
    ports: [{ containerPort: port }],
    // The containers behind it start when it answers.
    lifecycle: { postStart: { exec: { command: ['/proxy', '--probe', ...flags] } } },
    securityContext: { ...leastRights, ...asUser(proxyUser) },
    restartPolicy: nativeSidecar ? 'Always' : undefined,
  }
}

/** The init step, which redirects the pod's requests for IMDS to the proxy. It has the two capabilities for that and no other right. */
export function proxyInitContainer({ initImage, initResources }: ProxySettings, port: number): NewContainer {
  return {
    name: proxyInitName,
    image: initImage,
    imagePullPolicy: 'IfNotPresent',
    args: ['proxy-init'],
    env: [{ name: 'PROXY_PORT', value: String(port) }],
    resources: initResources,
    securityContext: {
      ...leastRights,
      capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
      runAsNonRoot: false,
      runAsUser: 0,
    },
  }
}
