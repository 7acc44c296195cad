/** Waits for a task that others may wait for, too, but only until a signal ends the wait. The task itself goes on. */
export async function unlessAborted<T>(task: Promise<T>, signal: AbortSignal): Promise<T> {
  const ended = Promise.withResolvers<never>()
  const end = (): void => ended.reject(signal.reason)
  if (signal.aborted) end()
  signal.addEventListener('abort', end, { once: true })
  try {
    return await Promise.race([task, ended.promise])
  } finally {
    signal.removeEventListener('abort', end)
  }
}
