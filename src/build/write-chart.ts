/** Writes the files of the Helm chart that `chart.ts` makes. It is run by `npm run schema`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chartFiles } from './chart.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

for (const [path, text] of chartFiles(ROOT)) writeFileSync(join(ROOT, 'k8s/charts/sallyport', path), text)
