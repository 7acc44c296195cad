/** Runs in each test file, before it: closes after each of its tests what was given to `atEnd`. */
import { afterEach } from 'vitest'
import { closeAll } from './at-end.ts'

afterEach(closeAll)
