/** Runs the gateway as a process of its own, and reads how much memory it ever had and what V8 says about that. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { sallyport } from './running.ts'

export interface GatewayProcess {
  readonly url: string
  readonly port: number
  /** Highest resident set so far, in bytes (`VmHWM` of proc_pid_status(5)). */
  peakBytes(): number
  /** What it has printed so far. */
  stdout(): string
  stop(): Promise<void>
}

/** @param nodeArgs arguments of Node itself */
export async function startGatewayProcess(
  config: Record<string, unknown>,
  nodeArgs: readonly string[] = [],
): Promise<GatewayProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-process-'))
  const file = join(folder, 'sallyport.yaml')
  writeFileSync(file, stringify({ listen: '127.0.0.1:0', ...config }))
  const running = sallyport(['run', '-c', file], { nodeArgs })
  const url = /"url":"(http:[^"]+)"/.exec(await running.printed(/"listening"/))?.[1] ?? ''
  const { pid } = running.child
  return {
    url,
    port: Number(new URL(url).port),
    peakBytes: () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024,
    stdout: running.stdout,
    async stop() {
      // A signal to end would let a body that a test has left stuck take up to half a minute more.
      running.child.kill('SIGKILL')
      await running.exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
