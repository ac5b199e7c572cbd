/**
 * The client protocol (DESIGN.md §8), for both of its sides: this file says what stands where, the
 * files that it re-exports split, parse and write it.
 *
 * A frame, in both directions:
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 4 | little-endian: n, the length in bytes of what follows |
 * | n | a request or an answer |
 *
 * Requests (every space is exactly one byte 0x20; commands are upper-case):
 *
 * | request | answer |
 * | ------- | ------ |
 * | `REGISTER <topic> [rf=N] [fsync=each\|none\|Nms]` | `OK` |
 * | `PUT <topic> <payload>` | `OK` |
 * | `GET <topic>` | `OK <payload>`, or `EMPTY` |
 * | `STATE <topic>` | a JSON object |
 * | `METRICS`, `TOPICS`, `NODES` | a JSON object |
 * | `REMOVE-NODE <id>` | `OK`: it has begun |
 * | anything, when it goes wrong | `ERR <message>` |
 *
 * Two messages begin with fixed words that programs may look at: `unknown topic` (nothing was done) and
 * `outcome unknown` (the node lost the answer of another one: it may have been done or not).
 *
 * `<topic>` is 1 to 255 of `A`–`Z`, `a`–`z`, `0`–`9`, `.`, `_`, `-`. `<payload>` is every byte behind the
 * space, to the end of the frame, taken as it is; it may be empty, but its space may not be missing.
 * Behind a request without payload, white space (space, tab, CR, LF) is ignored. Answers come in the
 * order of the requests, and any number of requests may be under way.
 *
 * @module
 */

export * from "./frame_reader.ts";
export * from "./frame_writer.ts";
export * from "./request.ts";
export * from "./response.ts";
export * from "./topic_name.ts";
