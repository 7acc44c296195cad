/** Reads a file that the configuration or the environment may name. */
import { readRegularFile } from '../../lib/trusted-file.ts'

export function namedText(file: string | undefined): string | undefined {
  return file === undefined ? undefined : readRegularFile(file).toString('utf8')
}
