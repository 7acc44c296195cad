/**
 * Keeps what was worked out about an object with the object itself.
 *
 * A `WeakMap` does the same from outside. But a full collection of V8 goes through the entries of all weak maps while
 * the program stands still: of a pause of 37 ms on a busy core, 13 were for 10,000 tokens and their header lines.
 */

/** What is kept with one object. A copy shares it, so it must not differ in anything that is read for what is kept. */
export interface Kept {
  newest: Note | undefined
}

interface Note {
  readonly keeper: object
  value: unknown
  older: Note | undefined
}

interface Keeper<T> {
  /** @returns undefined where nothing was kept, or has been forgotten since */
  get(of: { readonly kept: Kept }): T | undefined
  set(of: { readonly kept: Kept }, value: T): void
}

/** A new configuration has keepers of its own, and an object may outlive many: what is older is forgotten. */
const MOST_KEEPERS = 8

/** Make one for the process, or one for a configuration: more than a few forget what the others keep. */
export function keeper<T>(): Keeper<T> {
  const self: Keeper<T> = {
    get: ({ kept }) => noteOf(kept, self)?.value as T | undefined,
    set({ kept }, value) {
      const known = noteOf(kept, self)
      if (known !== undefined) known.value = value
      else {
        kept.newest = { keeper: self, value, older: kept.newest }
        forgetOldest(kept.newest)
      }
    },
  }
  return self
}

function noteOf(kept: Kept, keeper: object): Note | undefined {
  let note = kept.newest
  while (note !== undefined && note.keeper !== keeper) note = note.older
  return note
}

function forgetOldest(newest: Note): void {
  let last = newest
  for (let count = 1; last.older !== undefined; count += 1) {
    if (count === MOST_KEEPERS) last.older = undefined
    else last = last.older
  }
}
