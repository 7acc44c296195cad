/** Puts the gateway into a text, as a test needs it: with the usual settings, and without a file. */
import { expect } from 'vitest'
import { inject } from '../../../src/tools/inject/inject.ts'
import { DEFAULT_DRAIN_SECONDS, DEFAULT_PORTS } from '../../../src/tools/k8s/sidecar-container.ts'

type InjectOptions = Parameters<typeof inject>[1]

export function injected(text: string, options: Partial<InjectOptions> = {}) {
  return inject(text, {
    file: 'deploy.yaml',
    image: undefined,
    configMap: undefined,
    ports: DEFAULT_PORTS,
    appPorts: undefined,
    probePaths: undefined,
    drainSeconds: DEFAULT_DRAIN_SECONDS,
    services: 'told',
    ...options,
  })
}

/** @returns the text with the gateway, where nothing is in the way of it */
export function injectedText(text: string, options: Partial<InjectOptions> = {}): string {
  const { problems, text: result } = injected(text, options)
  expect(problems).toEqual([])
  return result
}
