/** product/node */
export { type NodeConfig, nodeConfig } from './config.ts'
