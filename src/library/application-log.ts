/**
 * Takes the lines of the guard to the application's own log, at their level and with their members.
 *
 * They are made by the gateway's log (`telemetry/log.ts`), which keeps secrets out of them, and are few: with
 * `log.access: denied`, the guard's default, one for each refusal.
 */
import type { FastifyBaseLogger } from 'fastify'
import type { EngineOptions } from '../run/engine.ts'
import { createLog } from '../telemetry/log.ts'

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

export function applicationLog(log: FastifyBaseLogger): EngineOptions['log'] {
  return level =>
    createLog(level, {
      write(line: string) {
        // The time is the application's log's to write.
        const { level: name, time: _time, msg, ...members } = JSON.parse(line) as Readonly<Record<string, unknown>>
        const at = LEVELS.find(each => each === name) ?? 'info'
        log[at](members, typeof msg === 'string' ? msg : 'record')
      },
    })
}

/** For who asks a policy and looks at the answer. */
export const silentLog: EngineOptions['log'] = level => createLog(level, { write() {} })
