/**
 * Does at the end of a turn of the event loop what several requests of the turn have in common.
 *
 * A connection that has just answered is not used again before the turn is over, so that bytes behind the answer, or
 * the end of the connection, are seen first. And where a turn brings several requests, they are sent together at its
 * end: their answers then come together, too, and the loop turns less often. A single request is sent at once, since
 * waiting would gain it nothing; unless it cannot be sent twice, for at the end of the turn the connections that the
 * service has closed meanwhile are known.
 */

interface Placed {
  /** Is true if it may be sent again, should its connection turn out to be gone. */
  readonly isRepeatable: boolean
}

interface TurnEndOptions<C, X> {
  /** Sends a request. */
  readonly place: (call: C) => void
  /** Makes use of a connection again. */
  readonly recycle: (connection: X) => void
}

interface TurnEnd<C, X> {
  /** So many requests are sent at the end of the turn. */
  readonly size: number
  /** Sends now, or at the end of the turn. */
  placeSoon(call: C): void
  recycleLater(connection: X): void
}

/** Where turns bring so many requests, it pays to wait for the others: measured with 1, 8, 32 and 256 clients. */
const MANY = 4

export function turnEnd<C extends Placed, X>({ place, recycle }: TurnEndOptions<C, X>): TurnEnd<C, X> {
  let placed = 0
  /** How many requests the latest turns brought, smoothed. */
  let usual = 0
  let calls: C[] = []
  let connections: X[] = []
  let isExpected = false

  function expectEnd(): void {
    if (isExpected) return
    isExpected = true
    setImmediate(end)
  }

  function end(): void {
    isExpected = false
    if (placed > 0) usual = (usual * 3 + placed) / 4
    placed = 0
    const freed = connections
    const due = calls
    connections = []
    calls = []
    for (const connection of freed) recycle(connection)
    for (const call of due) place(call)
  }

  return {
    get size() {
      return calls.length
    },
    placeSoon(call) {
      placed += 1
      expectEnd()
      // A connection that is about to be free saves opening another.
      if (usual >= MANY || !call.isRepeatable || connections.length > 0) calls.push(call)
      else place(call)
    },
    recycleLater(connection) {
      connections.push(connection)
      expectEnd()
    },
  }
}
