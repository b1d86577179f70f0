/**
 * lab/home: the lab of one state directory: starts, stops and examines it (`up`, `down`, `status`, `env`), with its
 * processes, its clusters, its local Azure, and Keymount in the clusters. Imported by `cli`, and by `src/bin/local-azure.ts`
 * for the clusters that `az aks` manages.
 */
export { createLabAzure, type Identity, type LabAzure, type LabRole, readCredentials } from './azure/lab-azure.ts'
export { createLabControl, type LabControl, type LabFault, type NewLabFault } from './azure/lab-control.ts'
export { bringUp, type Lab } from './bring-up.ts'
export { loadLabClusters } from './clusters/load-lab-clusters.ts'
export { readKubeconfig } from './clusters/read-kubeconfig.ts'
export { runCommand, signalOfParent } from './emulator/run-command.ts'
export { createVaults, type EmulatorOptions, startEmulator } from './emulator/start-emulator.ts'
export { type VaultSpec, vaultUrlOf } from './emulator/vault-with-secrets.ts'
export { anyClusterStatus, type ClusterStatus, type LabStatus, labStatus } from './lab-status.ts'
export { labVariables, restoredVariables, signInAz } from './lab-variables.ts'
export { findBackground, startedPrograms } from './processes/background.ts'
export { mountsBelow } from './processes/lab-namespace.ts'
export { findLocalAzure, findLocalCluster, type LocalAzure } from './processes/lab-programs.ts'
export { isSameProcessAlive } from './processes/process-identity.ts'
export { operatorObjects } from './product/operator-objects.ts'
export {
  isDown,
  ofProduct,
  type ProductDeployment,
  productDeployment,
  productLabel,
  readinessOf,
} from './product/product-deployments.ts'
export { driverName } from './product/product-status.ts'
export type { Session } from './session.ts'
export { type LabHome, labHome } from './state/lab-home.ts'
export { chosenHome, type UpOptions } from './state/lab-settings.ts'
export { readLabState } from './state/lab-state.ts'
export { type DownOptions, takeDown } from './take-down.ts'
