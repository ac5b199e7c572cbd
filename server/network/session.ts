/**
 * The handshake's input and output: two functions, one for each side.
 *
 * @module
 */

import { type Clock, type Connection, MalformedError } from "../../world/mod.ts";
import {
  encodeFrame,
  FrameKind,
  FrameReader,
  HANDSHAKE_BUFFER_BYTES,
  MAX_BODY_BYTES,
  READ_BUFFER_BYTES,
} from "./frame.ts";
import {
  type Admission,
  type Admit,
  type ConnectionPurpose,
  decodeHello,
  decodeRefusal,
  encodeHello,
  encodeRefusal,
  HandshakeRefusedError,
  type Hello,
  MAX_HANDSHAKE_BODY_BYTES,
  type NodeIdentity,
  RefusalCode,
  versionRefusal,
} from "./handshake.ts";

/** What both sides need. */
export interface SessionOptions {
  clock: Clock;
  self: NodeIdentity;
  admit: Admit;
  /** The handshake must be over by then. */
  timeoutMs: number;
  /** Largest body of a message; {@link MAX_BODY_BYTES} unless given. */
  maxBodyBytes?: number | undefined;
}

/** Both sides know each other; `reader` holds what came behind the handshake. */
export interface Session {
  hello: Hello;
  reader: FrameReader;
}

/**
 * The connecting side. Closes the connection when it fails.
 *
 * @throws {HandshakeRefusedError} by either side, {MalformedError | NetworkError} when it is no node.
 */
export function beginSession(
  connection: Connection,
  options: SessionOptions & { purpose: ConnectionPurpose },
): Promise<Session> {
  return withDeadline(connection, options, async (reader) => {
    await writeHandshake(connection, FrameKind.hello, encodeHello(options.self, options.purpose));
    await readFrame(connection, reader);
    if (reader.kind === FrameKind.refused) {
      const refusal = decodeRefusal(reader.body);
      throw new HandshakeRefusedError(
        `${connection.remote} refused this node: ${refusal.reason}`,
        refusal,
      );
    }
    if (reader.kind !== FrameKind.welcome) throw unexpected(reader);
    return await admitOrRefuse(connection, { options, reader, side: "outgoing" });
  });
}

/**
 * The listening side. Closes the connection when it fails.
 *
 * @throws {HandshakeRefusedError | MalformedError | NetworkError}
 */
export function acceptSession(connection: Connection, options: SessionOptions): Promise<Session> {
  return withDeadline(connection, options, async (reader) => {
    await readFrame(connection, reader);
    if (reader.kind !== FrameKind.hello) throw unexpected(reader);
    const session = await admitOrRefuse(connection, { options, reader, side: "incoming" });
    const welcome = encodeHello(options.self, session.hello.purpose);
    await writeHandshake(connection, FrameKind.welcome, welcome);
    return session;
  });
}

async function admitOrRefuse(
  connection: Connection,
  parts: { options: SessionOptions; reader: FrameReader; side: "incoming" | "outgoing" },
): Promise<Session> {
  const hello = decodeHello(parts.reader.body);
  const misfit = versionRefusal(hello);
  const admission: Admission = misfit === undefined
    ? parts.options.admit(hello, parts.side)
    : { refuse: misfit };
  if ("refuse" in admission) {
    const { refuse: reason, code = RefusalCode.notNow } = admission;
    await writeHandshake(connection, FrameKind.refused, encodeRefusal({ reason, code }));
    throw new HandshakeRefusedError(
      `Refused node ${hello.nodeId} at ${connection.remote}: ${reason}`,
      null,
    );
  }
  const reader = parts.reader.upgraded({
    bufferBytes: READ_BUFFER_BYTES,
    maxBodyBytes: parts.options.maxBodyBytes ?? MAX_BODY_BYTES,
  });
  return { hello, reader };
}

async function withDeadline(
  connection: Connection,
  options: SessionOptions,
  work: (reader: FrameReader) => Promise<Session>,
): Promise<Session> {
  let isLate = false;
  // Closing is what ends a pending read or write.
  const timer = options.clock.after(options.timeoutMs, () => {
    isLate = true;
    connection.close();
  });
  try {
    const reader = new FrameReader({
      bufferBytes: HANDSHAKE_BUFFER_BYTES,
      maxBodyBytes: MAX_HANDSHAKE_BODY_BYTES,
    });
    return await work(reader);
  } catch (error) {
    connection.close();
    if (!isLate) throw error;
    throw new MalformedError(
      `${connection.remote} did not finish the handshake within ${options.timeoutMs} ms.`,
    );
  } finally {
    timer.cancel();
  }
}

async function readFrame(connection: Connection, reader: FrameReader): Promise<void> {
  while (!reader.next()) {
    const count = await connection.read(reader.space());
    if (count === null) {
      throw new MalformedError(`${connection.remote} closed the connection during the handshake.`);
    }
    reader.filled(count);
  }
}

function writeHandshake(connection: Connection, kind: FrameKind, body: Uint8Array): Promise<void> {
  return connection.write(encodeFrame({ kind, method: 0, callId: 0 }, body));
}

function unexpected(reader: FrameReader): Error {
  if (reader.kind !== FrameKind.refused) {
    return new MalformedError(`A frame of kind ${reader.kind} is not part of a handshake.`);
  }
  const refusal = decodeRefusal(reader.body);
  return new HandshakeRefusedError(`Refused by the other side: ${refusal.reason}`, refusal);
}
