/**
 * Ports that nobody uses now.
 *
 * @module
 */

/**
 * So many different free ports of the loopback address. Another process may take one before it is used;
 * then the node that wanted it says so.
 */
export function findFreePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map((listener) => listener.addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}
