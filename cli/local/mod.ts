/**
 * Nodes as processes of this machine: for the local cluster and the demonstration.
 *
 * @module
 */

export { findFreePorts } from "./free_ports.ts";
export { knowsAll, LOCAL_NODES, LocalCluster, type LocalClusterOptions } from "./local_cluster.ts";
export { LocalNode, type LocalNodeOptions, type NodeExit, type NodePlace } from "./local_node.ts";
