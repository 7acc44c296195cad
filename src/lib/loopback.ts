/**
 * Tells whether a URL's host is this machine, so that plain `http:` to it crosses no network.
 *
 * RFC 6761 §6.3 (`localhost`), RFC 1122 §3.2.1.3 (127/8).
 */

export function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
}
