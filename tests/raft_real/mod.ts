/**
 * Raft on real processes: what `raft_real_test.ts` and the measurements of `measure.ts` share.
 *
 * @module
 */

export { MemberError, pause, ProcessGroup } from "./group.ts";
export type { MemberState } from "./member.ts";
