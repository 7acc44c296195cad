/** Refuses the mode of a Unix socket on a listener that is a port. */
import type { Listener } from '../schema/schema.ts'
import type { Finding } from './findings.ts'

export function modeFindings(path: Finding['path'], listener: Listener | undefined): readonly Finding[] {
  if (listener?.mode === undefined || 'socketPath' in listener.address) return []
  return [{ path: [...path, 'mode'], message: 'has no effect on a port; leave it out, or listen on `unix:/path`' }]
}
