/**
 * Values of flags and environment variables, checked where they are read.
 *
 * @module
 */

import { InvalidArgumentError, Option } from "commander";
import type { Durability } from "../storage/types.ts";
import { type Address, parseAddress } from "../world/mod.ts";

/** An integer from `min` to `max`, written in digits. */
export function integerBetween(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`;
    throw new InvalidArgumentError(`It must be a whole number, ${range}.`);
  };
}

/** A port; 0 lets the system choose one. */
export const port: (text: string) => number = integerBetween(0, 65_535);

/** A host name or address, without port. */
export function host(text: string): string {
  if (/^[A-Za-z0-9._-]+$/.test(text)) return text;
  const ipv6 = /^\[?([0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Za-z:.%]*)\]?$/.exec(text);
  if (ipv6) return ipv6[1]!;
  throw new InvalidArgumentError("It must be a host name or an IP address, without a port.");
}

/** `HOST:PORT`. */
export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed !== undefined) return parsed;
  throw new InvalidArgumentError("It must be HOST:PORT.");
}

/** `HOST:PORT`, or several with commas between. */
export function addresses(text: string): Address[] {
  const parts = text.split(",").map((part) => part.trim()).filter((part) => part !== "");
  if (parts.length === 0) throw new InvalidArgumentError("It must be HOST:PORT[,HOST:PORT…].");
  return parts.map(address);
}

/** `each`, `none` or `<n>ms`: when an append is acknowledged. */
export function durability(text: string): Durability {
  if (text === "each" || text === "none") return text;
  const match = /^(\d{1,6})ms$/.exec(text);
  const ms = match ? Number(match[1]) : 0;
  if (ms >= 1) return { ms };
  throw new InvalidArgumentError("It must be each, none or a time such as 10ms.");
}

/** Where a node with no flags but its id serves clients. */
export const ADDRESS_DEFAULT = "127.0.0.1:8080";

/** `--addr`, of every command that talks to nodes. */
export function addressOption(description: string): Option {
  return new Option("--addr <host:port,…>", description)
    .argParser(addresses)
    .default(addresses(ADDRESS_DEFAULT), ADDRESS_DEFAULT);
}
