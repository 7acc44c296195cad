/**
 * Goes on with a value that may be there already: at once when it is, with a promise only when it has to be waited for.
 *
 * On the way of a request every promise that nothing waits for costs microseconds and a turn of the event loop.
 */

export type MaybePromise<T> = T | Promise<T>

/**
 * A throw of `next` stays a throw when nothing was waited for.
 *
 * @param failed takes the place of `next` when the value was waited for in vain
 * @returns what `next` makes of the value
 */
export function andThen<T, R>(
  value: MaybePromise<T>,
  next: (value: T) => MaybePromise<R>,
  failed?: (error: unknown) => MaybePromise<R>,
): MaybePromise<R> {
  return value instanceof Promise ? value.then(next, failed) : next(value)
}
