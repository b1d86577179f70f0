/**
 * kubernetes/csi: the protocols between kubelet and a driver: generated code of the Container Storage Interface and of kubelet's
 * plugin registration.
 */
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
