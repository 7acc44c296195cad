/** Is what a test asks a service for, as `AnswerParser` has to know it. */
import type { AnswerParser } from '../../../src/upstream/answer-parser.ts'

export type Asked = Parameters<AnswerParser['expect']>[0]

export const GET: Asked = { method: 'GET', upgrade: null }
export const HEAD: Asked = { method: 'HEAD', upgrade: null }
export const POST: Asked = { method: 'POST', upgrade: null }
export const UPGRADE: Asked = { method: 'GET', upgrade: 'websocket' }
