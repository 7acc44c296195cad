/** Reads and compares ids of stream entries: `milliseconds-sequence`, in the order in which entries were written. */

export const FIRST_ID = '0-0'

export function idMs(id: string): number {
  return Number(id.split('-', 1)[0])
}

/** @returns below 0 when the first is older, above 0 when it is newer */
export function compareIds(one: string, other: string): number {
  const [ms = 0, sequence = 0] = one.split('-').map(Number)
  const [otherMs = 0, otherSequence = 0] = other.split('-').map(Number)
  return ms - otherMs || sequence - otherSequence
}
