/** Makes what is costly, or many share, once for each argument. It forgets nothing, so there must be few of them. */

/** Returns the same object for arguments that are equal as JSON. */
export function remembered<A, T>(make: (argument: A) => T): (argument: A) => T {
  const made = new Map<string, T>()
  return argument => {
    const key = JSON.stringify(argument)
    const known = made.get(key) ?? make(argument)
    made.set(key, known)
    return known
  }
}
