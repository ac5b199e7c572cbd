import { strictEqual, throws } from "node:assert/strict";
import type { AnswerScanner, Dialect } from "./dialect.ts";
import { NatsDialect } from "./nats_dialect.ts";
import { RedisDialect } from "./redis_dialect.ts";
import { WalrusDialect } from "./walrus_dialect.ts";

const ANSWERS: [string, () => Dialect, string, string][] = [
  ["Walrus", () => new WalrusDialect("t"), "\x02\0\0\0OK", "\x05\0\0\0ERR x"],
  ["Redis", () => new RedisDialect(), "$15\r\n1700000000000-0\r\n", "-ERR unknown\r\n"],
  [
    "NATS",
    () => new NatsDialect(),
    'PING\r\nMSG inbox.1 1 26\r\n{"stream":"BENCH","seq":1}\r\n',
    'MSG inbox.1 1 14\r\n{"error":"no"}\r\n',
  ],
];

function feed(scanner: AnswerScanner, text: string, pieceBytes: number): number {
  const bytes = new TextEncoder().encode(text);
  let answers = 0;
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes);
    scanner.space().set(piece);
    answers += scanner.filled(piece.length);
  }
  return answers;
}

for (const [name, dialect, good, bad] of ANSWERS) {
  Deno.test(`${name}'s answers are counted once, however the stream is cut`, () => {
    for (let pieceBytes = 1; pieceBytes < 3 * good.length; pieceBytes++) {
      strictEqual(feed(dialect().scanner(), good.repeat(5), pieceBytes), 5);
    }
  });

  Deno.test(`${name}'s refusal is an error that says what was answered`, () => {
    throws(() => feed(dialect().scanner(), good + bad, 1000), /was answered with: .*(ERR|error)/);
  });
}
