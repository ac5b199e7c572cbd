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
 * | `APPEND <topic> <count> <packed entries>` | `OK <first offset>` |
 * | `FETCH <topic> <offset> [count=N] [bytes=N] [wait=MS]` | `OK <first offset> <count> <packed entries>`, or `EMPTY` |
 * | `OFFSETS <topic>` | `OK <first> <next>`: offsets of the first entry that can be read, and of the next one to come |
 * | `STATE <topic>` | a JSON object |
 * | `METRICS`, `TOPICS`, `NODES` | a JSON object |
 * | `REMOVE-NODE <id> [accept-loss]` | `OK`: it has begun |
 * | anything, when it goes wrong | `ERR <message>` |
 *
 * Three messages begin with fixed words that programs may look at: `unknown topic` (nothing was done),
 * `outcome unknown` (the node lost the answer of another one: it may have been done or not) and
 * `offset out of range` (there is no such entry, and waiting won't bring it).
 *
 * `<topic>` is 1 to 255 of `A`–`Z`, `a`–`z`, `0`–`9`, `.`, `_`, `-`. `<payload>` is every byte behind the
 * space, to the end of the frame, taken as it is; it may be empty, but its space may not be missing.
 * `<packed entries>` are likewise every byte behind the space (packed_entries.ts); numbers are decimal.
 * Behind a request without payload, white space (space, tab, CR, LF) is ignored. Answers come in the
 * order of the requests, and any number of requests may be under way.
 *
 * @module
 */

export * from "./frame_reader.ts";
export * from "./frame_writer.ts";
export * from "./packed_entries.ts";
export * from "./request.ts";
export * from "./request_arguments.ts";
export * from "./request_writer.ts";
export * from "./response.ts";
export * from "./topic_name.ts";
