/**
 * A node's stand-in on a TCP port of this machine, for examples and tests.
 *
 * @module
 */

import { RealNetwork } from "../../world/real/network.ts";
import { formatAddress } from "../../world/network.ts";
import { FakeNode } from "./fake_node.ts";

/** Serves in this process until it is disposed of. */
export async function startStandIn(): Promise<
  { readonly node: FakeNode; readonly address: string } & AsyncDisposable
> {
  const node = await FakeNode.start(new RealNetwork(), { host: "127.0.0.1", port: 0 });
  return {
    node,
    address: formatAddress(node.address),
    [Symbol.asyncDispose]() {
      node.stop();
      return Promise.resolve();
    },
  };
}
