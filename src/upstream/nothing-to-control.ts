/** Stands in for undici's controller when a request failed before there was anything to abort. */
import type { Dispatcher } from 'undici'

export const NOTHING_TO_CONTROL: Dispatcher.DispatchController = Object.freeze({
  aborted: true,
  paused: false,
  reason: null,
  abort() {},
  pause() {},
  resume() {},
})
