import assert from "node:assert/strict";
import { RequestWriter } from "../../client/wire.ts";
import { type RecordBatch, RecordBatchBuilder, RecordReader } from "../../storage/mod.ts";
import type { ClientService, LaterFetch } from "../controller.ts";
import { UnknownTopicError } from "../errors.ts";
import type { AppendResult, FetchSpec, FetchWait } from "../routing/mod.ts";
import type { Entries, Taken } from "../segments/mod.ts";
import { BufferBudget } from "./buffer_budget.ts";
import { ClientSession } from "./client_session.ts";
import { FakeConnection } from "./testing/mod.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytesOf = (content: string) => new TextEncoder().encode(content);

/** Topics in memory; every call is noted with what it carried. */
class FakeService implements ClientService {
  readonly topics_: Map<string, string[]> = new Map([["a", []], ["b", []]]);
  readonly calls: string[] = [];
  /** Of each append, at most so many entries are committed. */
  commitsMax = Infinity;
  /** Waits that were ended from outside. */
  cancels = 0;
  readonly #waiting: (() => void)[] = [];

  register(topic: string, settings: string): Promise<void> {
    this.calls.push(`register ${topic} ${settings}`.trim());
    this.topics_.set(topic, []);
    return Promise.resolve();
  }

  append(
    topic: string,
    batch: RecordBatch,
    ends: readonly number[] | null,
  ): Promise<AppendResult> {
    const entries: string[] = [];
    const reader = new RecordReader(batch.bytes);
    while (reader.next()) entries.push(text(reader.payload()));
    const units = ends === null ? "" : ` ends ${ends.join(",")}`;
    this.calls.push(`append ${topic} ${entries.join("|")}${units}`);
    const known = this.topics_.get(topic);
    if (!known) {
      return Promise.resolve({ committed: 0, error: new UnknownTopicError(topic), runs: [] });
    }
    const committed = Math.min(entries.length, this.commitsMax);
    const runs = [{ firstOffset: known.length, entries: committed }];
    known.push(...entries.slice(0, committed));
    this.wake();
    return Promise.resolve({ committed, error: new Error("the disk is full"), runs });
  }

  fetch(topic: string, { offset, count }: FetchSpec): Promise<Entries> {
    this.calls.push(`fetch ${topic} ${offset} ${count}`);
    const builder = new RecordBatchBuilder();
    for (const entry of this.topics_.get(topic)!.slice(offset, offset + count)) {
      builder.add(bytesOf(entry));
    }
    return Promise.resolve({ bytes: builder.bytes, count: builder.count });
  }

  /** Waits until something is appended anywhere. */
  fetchLater(topic: string, { spec }: FetchWait): LaterFetch {
    const grown = new Promise<void>((resolve) => this.#waiting.push(resolve));
    const look = async () => {
      const granted = spec();
      return { ...await this.fetch(topic, granted), release: granted.release };
    };
    return {
      entries: grown.then(look),
      cancel: () => {
        this.cancels++;
        this.wake();
      },
    };
  }

  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  offsets = (topic: string) => {
    return Promise.resolve({ first: 0, next: this.topics_.get(topic)!.length });
  };

  take(topic: string, count: number): Promise<Taken> {
    this.calls.push(`take ${topic} ${count}`);
    const taken = this.topics_.get(topic)!.splice(0, count);
    const builder = new RecordBatchBuilder();
    for (const entry of taken) builder.add(bytesOf(entry));
    return Promise.resolve({
      bytes: builder.bytes,
      count: taken.length,
      isExhausted: taken.length < count,
    });
  }

  state = (topic: string) => Promise.resolve(`{"topic":"${topic}"}`);
  metrics = () => Promise.resolve('{"id":1}');
  topics = () => Promise.resolve('{"topics":[]}');
  nodes = () => Promise.resolve('{"nodes":[]}');
  removeNode(id: number): Promise<void> {
    this.calls.push(`remove ${id}`);
    return Promise.resolve();
  }
  deleteTopic(topic: string): Promise<void> {
    this.calls.push(`delete ${topic}`);
    return Promise.resolve();
  }
  trim(topic: string, offset: number): Promise<void> {
    this.calls.push(`trim ${topic} ${offset}`);
    return Promise.resolve();
  }
}

async function serve(
  act: (connection: FakeConnection) => void,
  service = new FakeService(),
  answers = new BufferBudget(10 * 1024 * 1024),
) {
  const connection = new FakeConnection();
  const session = new ClientSession(connection, () => service, {
    maxFrameBytes: 1000,
    budgets: { reads: new BufferBudget(0), answers },
  });
  const ended = session.run();
  act(connection);
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return { connection, service, session, ended };
}

Deno.test("ClientSession does what one read brought in runs, and answers in one write", async () => {
  const { connection, service } = await serve((connection) =>
    connection.requests("PUT a 1", "PUT a 2", "PUT b 3", "PUT a 4", "GET a", "GET a", "GET b")
  );
  assert.deepEqual(service.calls, ["append a 1|2|4", "append b 3", "take a 2", "take b 1"]);
  assert.deepEqual(connection.answers, ["OK", "OK", "OK", "OK", "OK 1", "OK 2", "OK 3"]);
  assert.equal(connection.writes, 1);
});

Deno.test("ClientSession answers in the order of the requests, whatever goes wrong between them", async () => {
  const { connection } = await serve((connection) =>
    connection.requests(
      "PUT a x",
      "nonsense",
      "GET a",
      "PUT nope y",
      "GET a",
      "METRICS",
      "STATE a ",
    )
  );
  assert.deepEqual(connection.answers.map((answer) => answer.slice(0, 20)), [
    "OK",
    "ERR unknown command ",
    "OK x",
    "ERR unknown topic no",
    "EMPTY",
    '{"id":1}',
    '{"topic":"a"}',
  ]);
});

Deno.test("ClientSession says OK to what of a run was committed, and why to the rest", async () => {
  const service = new FakeService();
  service.commitsMax = 2;
  const { connection } = await serve(
    (connection) => connection.requests("PUT a 1", "PUT a 2", "PUT a 3"),
    service,
  );
  assert.deepEqual(connection.answers, ["OK", "OK", "ERR internal error: the disk is full"]);
});

Deno.test("ClientSession keeps payloads as they are, and passes settings and ids on", async () => {
  const { connection, service } = await serve((connection) =>
    connection.requests("REGISTER c rf=2  ", "PUT c  two spaces ", "PUT c ", "REMOVE-NODE 3")
  );
  assert.deepEqual(service.calls, ["register c rf=2", "append c  two spaces |", "remove 3"]);
  assert.deepEqual(connection.answers, ["OK", "OK", "OK", "OK"]);
});

Deno.test("ClientSession deletes and trims what it is told to, and refuses what is no offset", async () => {
  const { connection, service } = await serve((connection) =>
    connection.requests("DELETE a", "TRIM b 17 ", "TRIM b", "TRIM b -1", "TRIM b 1 2", "DELETE a b")
  );
  assert.deepEqual(service.calls, ["delete a", "trim b 17"]);
  assert.deepEqual(connection.answers.map((answer) => answer.slice(0, 22)), [
    "OK",
    "OK",
    "ERR missing offset: TR",
    "ERR TRIM takes an offs",
    "ERR TRIM takes an offs",
    "ERR DELETE takes a top",
  ]);
});

Deno.test("ClientSession tells a client of an impossible length once, and closes", async () => {
  const { connection, ended } = await serve((connection) =>
    connection.send(Uint8Array.of(0xff, 0xff, 0xff, 0x7f, 1, 2, 3))
  );
  await ended;
  assert.match(connection.answers[0]!, /ERR a frame of 2147483647 bytes .* limit is 1000/);
  assert.equal(connection.answers.length, 1);
  assert.ok(connection.isClosed);
});

Deno.test("ClientSession waits for the rest of a frame, and owns up to being owed it", async () => {
  const { connection, session } = await serve((connection) => {
    connection.send(Uint8Array.of(7, 0, 0, 0));
    connection.send(bytesOf("PUT a"));
  });
  assert.equal(session.isOwed, true);
  assert.deepEqual(connection.answers, []);
  connection.send(bytesOf(" 1"));
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(connection.answers, ["OK"]);
  assert.equal(session.isOwed, false);
});

Deno.test("ClientSession.finish() answers what was read, then closes", async () => {
  const { connection, session, ended } = await serve((connection) =>
    connection.requests("PUT a 1")
  );
  session.finish();
  await ended;
  assert.deepEqual(connection.answers, ["OK"]);
  assert.ok(connection.isClosed);
});

/** An `APPEND` of these entries. */
function appendOf(topic: string, ...entries: string[]): Uint8Array {
  const writer = new RequestWriter();
  writer.addAppend(topic, entries.map(bytesOf));
  return writer.bytes.slice(4);
}

const settle = async () => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

Deno.test("ClientSession appends batches and single messages of a topic together, each batch whole", async () => {
  const { connection, service } = await serve((connection) =>
    connection.requests(
      "PUT a 0",
      appendOf("a", "1", "2"),
      appendOf("b", "x"),
      "PUT a 3",
      appendOf("a", "4", "5", "6"),
    )
  );
  assert.deepEqual(service.calls, ["append a 0|1|2|3|4|5|6 ends 1,3,4,7", "append b x ends 1"]);
  assert.deepEqual(connection.answers, ["OK", "OK 1", "OK 0", "OK", "OK 4"]);
  assert.equal(connection.writes, 1);
});

Deno.test("ClientSession says ERR to a batch of which anything was not committed", async () => {
  const service = new FakeService();
  service.commitsMax = 2;
  const { connection } = await serve(
    (connection) => connection.requests(appendOf("a", "1", "2"), appendOf("a", "3")),
    service,
  );
  assert.deepEqual(connection.answers, ["OK 0", "ERR internal error: the disk is full"]);
});

Deno.test("ClientSession answers a fetch with packed entries, and says which offsets there are", async () => {
  const { connection } = await serve((connection) =>
    connection.requests(
      appendOf("a", "one", "", "three"),
      "FETCH a 1 count=5",
      "FETCH a 3",
      "OFFSETS a",
      "FETCH a",
      "FETCH a 0 count=0",
    )
  );
  assert.deepEqual(connection.answers.slice(0, 4), [
    "OK 0",
    "OK 1 2 \0\0\0\0\x05\0\0\0three",
    "EMPTY",
    "OK 0 3",
  ]);
  assert.match(connection.answers[4]!, /^ERR missing offset: FETCH <topic> <offset>/);
  assert.match(connection.answers[5]!, /^ERR FETCH does not understand "count"/);
});

Deno.test("ClientSession does what is behind a waiting fetch, and answers in order", async () => {
  const { connection, service } = await serve((connection) =>
    connection.requests("FETCH a 0 wait=1000", "METRICS", "FETCH b 0 wait=1000", "OFFSETS a")
  );
  assert.deepEqual(connection.answers, []);
  connection.requests("PUT a now");
  await settle();
  assert.deepEqual(service.calls.at(-3), "append a now");
  assert.deepEqual(connection.answers, [
    "OK 0 1 \x03\0\0\0now",
    '{"id":1}',
    "EMPTY",
    "OK 0 0",
    "OK",
  ]);
});

Deno.test("ClientSession ends the waits of a client that went away, and answers one that sends no more", async () => {
  const { connection, service, ended } = await serve((connection) =>
    connection.requests("FETCH a 0 wait=1000", "METRICS")
  );
  connection.endOfStream();
  await ended;
  assert.ok(service.cancels > 0);
  assert.deepEqual(connection.answers, ["EMPTY", '{"id":1}']);
  assert.ok(connection.isClosed);
});

Deno.test("ClientSession.finish() answers what waits as it is", async () => {
  const { connection, session, ended } = await serve((connection) =>
    connection.requests("FETCH a 0 wait=1000", "METRICS")
  );
  session.finish();
  await ended;
  assert.deepEqual(connection.answers, ["EMPTY", '{"id":1}']);
});

Deno.test("ClientSession reads no more while many fetches of a connection wait", async () => {
  const fetches = Array.from({ length: 64 }, () => "FETCH a 0 wait=1000");
  const { connection, service } = await serve((connection) => {
    connection.requests(...fetches);
    connection.requests("PUT b 1");
  });
  assert.ok(!service.calls.includes("append b 1"));
  service.wake();
  await settle();
  assert.ok(service.calls.includes("append b 1"));
  assert.equal(connection.answers.length, 65);
});

Deno.test("ClientSession holds no large answer of a client that does not read while others fill the budget", async () => {
  const service = new FakeService();
  service.topics_.set("a", Array.from({ length: 200 }, () => "x".repeat(1000)));
  const fetchSizes: number[] = [];
  const fetch = service.fetch.bind(service);
  service.fetch = (topic, spec) => {
    fetchSizes.push(spec.maxBytes);
    return fetch(topic, spec);
  };
  const answers = new BufferBudget(1024 * 1024);
  const deaf = await serve(
    (connection) => {
      connection.isDeaf = true;
      connection.requests("FETCH a 0 count=100");
    },
    service,
    answers,
  );
  const other = await serve(
    (connection) => connection.requests("FETCH a 0 count=100"),
    service,
    answers,
  );
  assert.deepEqual(fetchSizes, [1024 * 1024, 16 * 1024]);
  assert.equal(other.connection.answers.length, 1);
  deaf.connection.close();
  await deaf.ended;
  await serve((connection) => connection.requests("FETCH a 0 count=100"), service, answers);
  assert.deepEqual(fetchSizes.slice(2), [1024 * 1024]);
});

Deno.test("ClientSession makes room for what waited when it is woken, and gives it back whatever happens", async () => {
  const service = new FakeService();
  const fetchSizes: number[] = [];
  const fetch = service.fetch.bind(service);
  service.fetch = (topic, spec) => {
    fetchSizes.push(spec.maxBytes);
    return fetch(topic, spec);
  };
  const answers = new BufferBudget(1024 * 1024);
  const waits = ["FETCH a 0 wait=1000 count=100", "FETCH a 0 wait=1000 count=99"];
  const deaf = await serve((connection) => connection.requests(...waits), service, answers);
  deaf.connection.isDeaf = true;
  fetchSizes.length = 0;
  service.topics_.set("a", Array.from({ length: 200 }, () => "x".repeat(1000)));
  service.wake();
  await settle();
  assert.deepEqual(fetchSizes, [1024 * 1024, 16 * 1024]);
  deaf.connection.close();
  await deaf.ended;
  assert.ok(answers.take(1024 * 1024));
});

Deno.test("ClientSession gives back the room for what comes when its connection is gone", async () => {
  const service = new FakeService();
  const answers = new BufferBudget(2 * 1024 * 1024);
  let arrive = () => {};
  const arrived = new Promise<void>((resolve) => arrive = resolve);
  const { ended, connection } = await serve(
    (connection) =>
      connection.requests("FETCH a 0 wait=1000 count=99", "FETCH a 0 wait=1000 count=100"),
    service,
    answers,
  );
  const fetch = service.fetch.bind(service);
  service.fetch = (topic, spec) => arrived.then(() => fetch(topic, spec));
  service.topics_.set("a", Array.from({ length: 200 }, () => "x".repeat(1000)));
  service.wake();
  await settle();
  assert.equal(answers.take(1), false);
  connection.break();
  await ended;
  arrive();
  await settle();
  assert.ok(answers.take(2 * 1024 * 1024));
});

Deno.test("ClientSession takes few messages at once for many GETs while the budget is filled", async () => {
  const service = new FakeService();
  service.topics_.set("a", Array.from({ length: 50 }, (_, i) => `${i}`));
  const gets = Array.from({ length: 60 }, () => "GET a");
  const { connection } = await serve(
    (connection) => connection.requests(...gets),
    service,
    new BufferBudget(0),
  );
  assert.deepEqual(service.calls, ["take a 16", "take a 16", "take a 16", "take a 12"]);
  assert.deepEqual(connection.answers, [
    ...Array.from({ length: 50 }, (_, i) => `OK ${i}`),
    ...Array.from({ length: 10 }, () => "EMPTY"),
  ]);
});
