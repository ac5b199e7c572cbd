/**
 * The driver's calls that change who leads or who is in the group, as promises: a change is proposed as
 * soon as the core allows it, and done when its last configuration is committed.
 *
 * @module
 */

import type { RaftCore } from "./core.ts";
import { MembershipChangeError, NotRaftLeaderError, RaftTimeoutError } from "./errors.ts";
import { type Configuration, isJoint, type MembershipChange } from "./membership.ts";
import type { ConditionWaiters } from "./waiting.ts";

export class MembershipCalls {
  readonly #core: RaftCore;
  readonly #conditions: ConditionWaiters;
  /** Has the driver look at what the core says. */
  readonly #schedule: () => void;

  constructor(core: RaftCore, options: { conditions: ConditionWaiters; schedule: () => void }) {
    this.#core = core;
    this.#conditions = options.conditions;
    this.#schedule = options.schedule;
  }

  /** `isDone` says of a configuration whether it is what was wanted: then nothing is proposed. */
  async change(
    change: MembershipChange,
    options: { deadlineMs: number; isDone: (config: Configuration) => boolean },
  ): Promise<void> {
    this.#mustLead();
    let isProposed = false;
    await this.#conditions.wait(() => {
      const { state } = this.#core;
      if (options.isDone(state.config)) {
        return state.configs.index <= state.log.committed && !isJoint(state.config);
      }
      if (isProposed) return false;
      this.#mustLead();
      const result = this.#core.changeMembership(change);
      if (result.ok) {
        isProposed = true;
        this.#schedule();
      } else if (!result.mayRetry) {
        throw new MembershipChangeError(`Membership stays as it is: ${result.reason}.`);
      }
      return false;
    }, { deadlineMs: options.deadlineMs, what: `membership change ${JSON.stringify(change)}` });
  }

  async transfer(to: number, options: { deadlineMs: number }): Promise<void> {
    this.#mustLead();
    const { term } = this.#core;
    const refusal = this.#core.transferLeadership(to);
    if (refusal !== null) throw new MembershipChangeError(`Leadership stays: ${refusal}.`);
    this.#schedule();
    await this.#conditions.wait(() => {
      if (this.#core.leader === to) return true;
      if (this.#core.term === term && this.#core.state.transferee !== to) {
        throw new RaftTimeoutError(`Node ${to} did not take over in time; leadership stays.`);
      }
      return false;
    }, {
      deadlineMs: options.deadlineMs,
      what: `node ${to} takes over the leadership`,
    });
  }

  #mustLead(): void {
    if (this.#core.role !== "leader") throw new NotRaftLeaderError(this.#core.leader);
  }
}
