/**
 * csi: the wire between kubelet and the driver: generated code of the Container Storage Interface and of kubelet's plugin
 * registration, endpoints, and what every gRPC server of ours needs around a call (deadline, log line, errors as codes).
 * It knows no volume.
 */
export * from './endpoint.ts'
export * from './generated/csi.ts'
export {
  InfoRequest,
  PluginInfo,
  RegistrationClient,
  type RegistrationServer,
  RegistrationService,
  RegistrationStatus,
  RegistrationStatusResponse,
} from './generated/registration.ts'
export * from './grpc-server.ts'
export * from './rpc-error.ts'
export * from './unary.ts'
