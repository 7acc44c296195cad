/** Gets OpenTelemetry's protobuf schema, as Python reads it, where it is missing. */
import { fileURLToPath } from 'node:url'
import { ensureWheel } from './wheels.ts'

/** Vitest's set-up says so when it could not be had. */
export const WITHOUT_PROTOBUF = process.env.WITHOUT_PROTOBUF === '1'

const WHEELS = ['opentelemetry-proto==1.45.2', 'protobuf==7.36.2']
const folderOf = (wheel: string): string =>
  fileURLToPath(new URL(`../../../node_modules/.cache/${wheel.replace('==', '-')}`, import.meta.url))

/** Where Python finds it. */
export const PROTOBUF_PATH = WHEELS.map(folderOf).join(':')

/** @throws {Error} it cannot be had */
export async function ensureTraceProtobuf(): Promise<void> {
  for (const wheel of WHEELS) await ensureWheel(wheel, folderOf(wheel))
}
