/**
 * What tests of client sessions stand on.
 *
 * @module
 */

export * from "./fake_connection.ts";
