/**
 * A set of what is under way, for many short-lived members: constant time, in no order, and nothing left behind.
 *
 * Not a `Set`: V8 links each hash table of a `Set` to the one that follows it. Once a table has been promoted to the old
 * generation, that chain keeps every later one alive, and with it all members it ever had, until the next full
 * collection. Under 20,000 requests a second this was measured as a third of all memory promoted, and half the time.
 */

/** What can be a member: of one roster at a time. */
export interface Enrolled {
  /** Place in the roster; -1 outside. Only the roster writes it. */
  slot: number
}

export class Roster<T extends Enrolled> {
  readonly #members: T[] = []

  get size(): number {
    return this.#members.length
  }

  add(member: T): void {
    if (member.slot !== -1) return
    member.slot = this.#members.length
    this.#members.push(member)
  }

  delete(member: T): void {
    if (this.#members[member.slot] !== member) return
    const last = this.#members.pop()
    if (last !== undefined && last !== member) {
      last.slot = member.slot
      this.#members[member.slot] = last
    }
    member.slot = -1
  }

  /** Over a copy: members may come and go meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return [...this.#members].values()
  }
}
