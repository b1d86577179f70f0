import type { ProxySettings } from '#product/proxy'

/** What the administrator decides about every pod. */
export interface WebhookSettings {
  /** Tenant of service accounts without a tenant annotation. */
  tenantId: string
  /** Where workloads sign in, with a trailing slash. */
  authorityHost: string
  /** Audience of the projected token. */
  audience: string
  /** Also project the token where releases before 1.6.0 had it, `/var/run/secrets/azure/tokens/azure-identity-token`. */
  legacyTokenPath: boolean
  /** The sidecar that answers the token requests of applications that only know IMDS. */
  proxy: ProxySettings
  /** The API server has the action RestartAllContainers of restartPolicyRules. Default false. */
  restartsAllContainers?: boolean | undefined
  /** Environment variables from files, for pods that ask for them. Undefined: such pods are refused. */
  envFiles?: EnvFileSupport | undefined
  /** Undefined: pods that request the token endpoint sign in at Entra like all others. */
  tokenEndpoint?: TokenEndpoint | undefined
}

/** Whether the cluster can give containers environment variables from files. */
export interface EnvFileSupport {
  /** Why it cannot, for the creator of the pod. */
  problem: string | undefined
}

/** A token endpoint in the cluster instead of Entra (AKS identity bindings), for pods that request it by annotation. */
export interface TokenEndpoint {
  /** `azure.workload.identity/use-SUFFIX`. */
  annotation: string
  audience: string
  /** https URL; what SDKs call instead of the authority host. */
  proxyUrl: string
  /** TLS server name; empty for the URL's host. */
  sniName: string
  /** How workloads verify it. */
  trust: TokenEndpointTrust
}

export type TokenEndpointTrust =
  | { kind: 'system' }
  | { kind: 'data'; pem: string }
  | { kind: 'configMap'; name: string }
  | { kind: 'trustBundle'; signerName: string; labelSelector: unknown }
