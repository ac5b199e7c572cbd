/**
 * Ports that nobody uses now.
 *
 * @module
 */

/**
 * Below where systems take the ports of outgoing connections from. One of those could sit on a node's port
 * while the node is down, even the connection by which another node looks for it.
 */
const PORT_MIN = 10_000;
const PORT_MAX = 32_000;

/**
 * So many different free ports of the loopback address. Another process may take one before it is used;
 * then the node that wanted it says so.
 */
export function findFreePorts(count: number): number[] {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}
