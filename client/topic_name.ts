/**
 * What a topic may be called, and turning its bytes into a string without decoding it each time.
 *
 * @module
 */

/** The longest topic name. All of its letters are one byte long. */
export const TOPIC_NAME_BYTES_MAX = 255;
/** For error messages. */
export const TOPIC_NAME_RULE =
  `a topic name is 1 to ${TOPIC_NAME_BYTES_MAX} of letters, digits, ".", "_" and "-"`;

const TOPIC_NAME_PATTERN = new RegExp(`^[A-Za-z0-9._-]{1,${TOPIC_NAME_BYTES_MAX}}$`);

/** Whether `text` may be a topic's name. */
export function isTopicName(text: string): boolean {
  return TOPIC_NAME_PATTERN.test(text);
}

/** Whether the byte may stand in a topic's name. */
export function isTopicByte(byte: number): boolean {
  return (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x2d && byte <= 0x39 && byte !== 0x2f) ||
    (byte >= 0x41 && byte <= 0x5a) || byte === 0x5f;
}

/** One interner remembers this many names; more and it starts anew. */
const INTERNED_NAMES_MAX = 1024;

interface InternedName {
  readonly bytes: Uint8Array;
  readonly name: string;
}

/**
 * Gives the same string for the same bytes. A connection mostly speaks of one topic: the last one is
 * compared first, and then nothing is allocated or decoded. One for each connection, or a shared one.
 */
export class TopicInterner {
  #last: InternedName | null = null;
  readonly #byHash = new Map<number, InternedName>();

  /** The name in `bytes[start, end)`, which must be a valid one (`parseRequest` made sure). */
  intern(bytes: Uint8Array, start: number, end: number): string {
    if (this.#last !== null && equals(this.#last.bytes, bytes, start, end)) return this.#last.name;
    const hash = hashOf(bytes, start, end);
    let found = this.#byHash.get(hash);
    if (found === undefined || !equals(found.bytes, bytes, start, end)) {
      const copy = bytes.slice(start, end);
      found = { bytes: copy, name: String.fromCharCode(...copy) };
      if (this.#byHash.size >= INTERNED_NAMES_MAX) this.#byHash.clear();
      this.#byHash.set(hash, found);
    }
    this.#last = found;
    return found.name;
  }
}

function equals(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = name.length - 1; i >= 0; i--) {
    if (name[i] !== bytes[start + i]) return false;
  }
  return true;
}

/** FNV-1a, 32 bits: spreads short names well and needs no state. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}
