/**
 * Lets somebody decide about an event of a server before those hear of it who act upon it.
 *
 * Node hands requests for an upgrade or a tunnel to whoever listens, and nobody who listens can keep the others from
 * hearing it: https://nodejs.org/api/events.html#emitteremiteventname-args calls all of them. So the emitter's `emit`
 * is replaced. Seen in Node 26.10.
 *
 * Breaks first: `test/library/upgrades.test.ts`.
 * Remove when: Node can be given a listener that decides whether others hear an event.
 */
import type { EventEmitter } from 'node:events'

interface HeldEvent {
  readonly name: string
  readonly args: readonly unknown[]
  /** Tells the listeners. Call it at most once. */
  readonly pass: () => void
}

/** Events that nobody listens to are not held, since a server does something else about them. */
export function holdEvents(emitter: EventEmitter, names: ReadonlySet<string>, judge: (event: HeldEvent) => void): void {
  const emit = emitter.emit.bind(emitter)
  emitter.emit = (name: string | symbol, ...args: unknown[]): boolean => {
    if (typeof name !== 'string' || !names.has(name) || emitter.listenerCount(name) === 0) return emit(name, ...args)
    judge({ name, args, pass: () => void emit(name, ...args) })
    return true
  }
}
