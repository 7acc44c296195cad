/** Runs `sallyport run` on a file that a test changes, and learns of it from what it logs, answers and counts. */
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Agent, request } from 'undici'
import { stringify } from 'yaml'
import { type RunningSallyport, sallyport } from './running.ts'

export type LogLine = Readonly<Record<string, unknown>>
export type ConfigText = string | Readonly<Record<string, unknown>>

export interface GatewayOnFile {
  readonly folder: string
  readonly file: string
  readonly url: string
  readonly adminUrl: string
  readonly process: RunningSallyport
  /** Writes a file into the folder, in place. */
  write(name: string, content: ConfigText): void
  lines(): readonly LogLine[]
  /** The nth line, past or future, that has all of these members. */
  logged(members: LogLine, nth?: number): Promise<LogLine>
  metrics(): Promise<ReadonlyMap<string, number>>
  admin(path: string, method?: 'GET' | 'POST'): Promise<{ status: number; text: string }>
  stop(): Promise<void>
}

export interface GatewayOnFileOptions {
  /** Prepares the folder and names the file; by default `sallyport.yaml` holding `config`. */
  readonly lay?: (folder: string) => string
  readonly descriptors?: number
  readonly env?: Readonly<Record<string, string>>
}

/** @param config as in the file; `listen` and `admin` get free ports */
export async function startGatewayOnFile(
  config: ConfigText | ((folder: string) => ConfigText),
  { lay, descriptors, env = {} }: GatewayOnFileOptions = {},
): Promise<GatewayOnFile> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-file-'))
  const write = (name: string, content: ConfigText): void => {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), configText(content))
  }
  const file = lay?.(folder) ?? join(folder, 'sallyport.yaml')
  if (lay === undefined) write('sallyport.yaml', typeof config === 'function' ? config(folder) : config)
  const running = sallyport(['run', '-c', file], { descriptors, env })
  const lines = (): readonly LogLine[] =>
    running
      .stdout()
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as LogLine)
  const logged = async (members: LogLine, nth = 1): Promise<LogLine> => {
    const isMeant = (line: LogLine) => Object.entries(members).every(([name, value]) => line[name] === value)
    const ended = running.exited.then(code => {
      throw new Error(
        `exited with ${code} before it logged ${JSON.stringify(members)}:\n${running.stdout()}${running.stderr()}`,
      )
    })
    ended.catch(() => {})
    for (;;) {
      const line = lines().filter(isMeant)[nth - 1]
      if (line !== undefined) return line
      await Promise.race([once(running.child.stdout ?? running.child, 'data'), ended])
    }
  }
  const { url, admin: adminUrl } = (await logged({ msg: 'listening' })) as { url: string; admin: string }
  const agent = new Agent()
  const admin: GatewayOnFile['admin'] = async (path, method = 'GET') => {
    const { statusCode, body } = await request(adminUrl + path, { dispatcher: agent, method })
    return { status: statusCode, text: await body.text() }
  }
  return {
    folder,
    file,
    url,
    adminUrl,
    process: running,
    write,
    lines,
    logged,
    async metrics() {
      const samples = (await admin('/metrics')).text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
      return new Map(samples.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
    },
    admin,
    async stop() {
      running.child.kill('SIGKILL')
      await running.exited
      await agent.destroy()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Returns the text that stands in the file for what a test has written. */
export function configText(content: ConfigText): string {
  if (typeof content === 'string') return content
  return stringify(
    { listen: '127.0.0.1:0', admin: { listen: '127.0.0.1:0' }, ...content },
    { aliasDuplicateObjects: false },
  )
}
