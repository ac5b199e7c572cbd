/**
 * What will happen, by time; equal times in the order in which they were added.
 *
 * @module
 */

interface Scheduled<E> {
  readonly atMs: number;
  readonly order: number;
  readonly event: E;
}

export class EventQueue<E> {
  #heap: Scheduled<E>[] = [];
  #order = 0;
  #nowMs = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  add(delayMs: number, event: E): void {
    const item = { atMs: this.#nowMs + delayMs, order: this.#order++, event };
    const heap = this.#heap;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(item, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = item;
  }

  /** The next event; it is its time now. */
  next(): E | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined) return undefined;
    this.#nowMs = top.atMs;
    if (heap.length === 0) return top.event;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top.event;
  }
}

function isBefore<E>(left: Scheduled<E>, right: Scheduled<E>): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}
