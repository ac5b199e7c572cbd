import assert from "node:assert/strict";
import { Controller, type ControllerParts } from "./controller.ts";
import { RefusedError, UnavailableError } from "./errors.ts";
import { type Command, KEEP_ALL, type Metadata, MetadataState } from "./metadata/mod.ts";

/** A node whose view of metadata is brought up to date by a refresh, and by what it proposes. */
class Behind {
  readonly state = new MetadataState();
  readonly proposed: string[] = [];
  /** Committed, and not known here yet. */
  news: Command[] = [];
  isCutOff = false;
  heard: number[] = [];
  /** Told when the open segment's leader has said where it ends. */
  onAsked = () => {};
  readonly controller: Controller;

  constructor() {
    this.state.apply(create(1), []);
    const metadata = {
      state: this.state,
      propose: (command: Command) => {
        this.proposed.push(command.kind);
        this.#learn();
        this.state.apply(command, []);
        return Promise.resolve();
      },
      refresh: () => {
        if (this.isCutOff) return Promise.reject(new Error("nobody answers"));
        this.#learn();
        return Promise.resolve();
      },
    } as unknown as Metadata;
    this.controller = new Controller({
      metadata,
      replicationFactor: 1,
      placeFirst: () => ({ leader: 1, replicas: [1] }),
      metrics: { isLive: (node: number) => this.heard.includes(node) },
      routes: {
        ask: () => Promise.resolve({ end: 3 }).finally(() => this.onAsked()),
        mustFindTopic: (topic: string) => Promise.resolve(this.state.topics.get(topic)),
      },
    } as unknown as ControllerParts);
  }

  #learn(): void {
    for (const command of this.news.splice(0)) this.state.apply(command, []);
  }
}

function create(firstSegment: number): Command {
  return {
    kind: "createTopic",
    topic: "t",
    replicationFactor: 1,
    durability: null,
    leader: 1,
    replicas: [1],
    firstSegment,
    retention: KEEP_ALL,
  };
}
const DELETE: Command = { kind: "deleteTopic", topic: "t", bornSegment: 1 };

Deno.test("Controller.register() makes a topic anew that was deleted where this node has not heard of it", async () => {
  const node = new Behind();
  node.news = [DELETE];
  await node.controller.register("t", "");
  assert.deepEqual(node.proposed, ["createTopic"]);
  assert.equal(node.state.topics.get("t")?.bornSegment, 2);
});

Deno.test("Controller.register() makes a topic anew that is deleted while it changes what it keeps", async () => {
  const node = new Behind();
  const register = node.controller.register("t", "retention_entries=7");
  // Behind the refresh.
  await Promise.resolve().then(() => node.news = [DELETE]);
  await register;
  assert.deepEqual(node.proposed, ["setRetention", "createTopic"]);
  assert.equal(node.state.topics.get("t")?.retention.entries, 7);
});

Deno.test("Controller.register() of a topic that is there proposes nothing, and says OK of no old view", async () => {
  const node = new Behind();
  await node.controller.register("t", "");
  assert.deepEqual(node.proposed, []);
  node.isCutOff = true;
  await assert.rejects(node.controller.register("t", ""), UnavailableError);
});

Deno.test("Controller.removeNode() gives up no node that is heard", async () => {
  const node = new Behind();
  node.heard = [3];
  await assert.rejects(node.controller.removeNode(3, { acceptLoss: true }), (error: Error) => {
    return error instanceof RefusedError && /node 3 is heard/.test(error.message);
  });
  assert.deepEqual(node.proposed, []);
  await node.controller.removeNode(3, { acceptLoss: false });
  await node.controller.removeNode(2, { acceptLoss: true });
  assert.deepEqual(node.proposed, ["drainNode", "giveUpNode"]);
});

Deno.test("Controller.offsets() tells no end before the beginning of what is left of a topic meanwhile", async () => {
  const node = new Behind();
  assert.deepEqual(await node.controller.offsets("t"), { first: 0, next: 3 });
  node.onAsked = () => {
    node.state.apply({ kind: "beginSeal", topic: "t", segment: 1 }, []);
    node.state.apply({
      kind: "sealSegment",
      topic: "t",
      segment: 1,
      expectedRun: null,
      count: 5,
      length: 5,
      bytes: 5,
      cursors: [],
      mayHaveLost: false,
      nextLeader: 1,
      nextReplicas: [1],
      sealedMs: 1,
    }, []);
    node.state.apply({ kind: "trimTopic", topic: "t", firstSegment: 2 }, []);
  };
  assert.deepEqual(await node.controller.offsets("t"), { first: 5, next: 5 });
});
