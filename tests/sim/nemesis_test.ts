import assert from "node:assert/strict";
import { SeededRandom, SimClock, SimNetwork } from "../../world/sim/mod.ts";
import type { Machine, MachineState } from "./machine.ts";
import { Nemesis, type NemesisParts } from "./nemesis.ts";
import { drawShape, type FaultName } from "./shape.ts";
import { Transcript } from "./transcript.ts";

/** A machine whose node stops when `stopped` is called. */
class StoppingMachine {
  readonly nodeId = 1;
  readonly host = "n1";
  readonly hasRun = true;
  readonly isPaused = false;
  readonly isDiskFaulty = false;
  readonly drive = { clearFaults() {}, capacityBytes: Infinity };
  state: MachineState = "up";

  setClockRate(): void {}
  resume(): void {}
  start(): void {}

  stop(): void {
    this.state = "stopping";
  }

  stopped(): void {
    this.state = "up";
  }
}

async function nemesisOf(fault: FaultName) {
  const clock = new SimClock();
  const random = new SeededRandom("nemesis");
  const shape = drawShape(random.fork("shape"), { story: null });
  const machine = new StoppingMachine();
  const parts = {
    clock,
    random,
    network: new SimNetwork(clock, random.fork("network"), { latencyMsMin: 1, latencyMsMax: 1 }),
    shape: { ...shape, faults: { [fault]: 1 }, faultEveryMs: 100, faultPhaseMs: 150 },
    transcript: new Transcript(() => clock.nowMs()),
    machines: [machine as unknown as Machine],
    isWhole: () => true,
  };
  const nemesis = new Nemesis(parts as unknown as NemesisParts);
  await clock.settle(nemesis.run());
  nemesis.end();
  await clock.runFor(1);
  return { machine, nemesis };
}

for (const fault of ["stopGracefully", "rollingRestart"] as const) {
  Deno.test(`Nemesis is settled when a node that was told to stop has stopped: ${fault}`, async () => {
    const { machine, nemesis } = await nemesisOf(fault);
    assert.equal(machine.state, "stopping");
    assert.equal(nemesis.isSettled, false);
    machine.stopped();
    assert.equal(nemesis.isSettled, true);
  });
}
