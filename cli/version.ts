/**
 * Which Walrus this is.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };

/** The version of the package. */
export const VERSION: string = config.version;
