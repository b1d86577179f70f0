/** node: driver and provider of a node in one process (`keymount node`, the chart's `combined`). They still meet at the socket. */
export { type NodeConfig, nodeFlags, nodeProgram } from './config.ts'
export { startNode } from './start-node.ts'
