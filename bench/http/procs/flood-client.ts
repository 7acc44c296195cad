/**
 * Floods several gateways at once, with loops of requests one after the other, and prints how many passed and how many
 * a limit refused. Arguments: seconds, file with a token in its first line, then URLs, each with its number of loops.
 */
import { readFileSync } from 'node:fs'
import { Agent, request } from 'undici'

const [seconds = '', tokens = '', ...targets] = process.argv.slice(2)
const [token = ''] = readFileSync(tokens, 'utf8').split('\n', 1)
const dispatcher = new Agent({ connections: null })
const counts = { passed: 0, limited: 0 }
const started = performance.now()
const endMs = started + Number(seconds) * 1_000
const loops: Array<Promise<void>> = []
for (let at = 0; at < targets.length; at += 2)
  for (let count = Number(targets[at + 1]); count > 0; count -= 1) loops.push(loop(targets[at] ?? ''))
await Promise.all(loops)
process.stdout.write(`${JSON.stringify({ ...counts, seconds: (performance.now() - started) / 1_000 })}\n`)
process.exit()

/** @throws {Error} an answer that is neither */
async function loop(url: string): Promise<void> {
  while (performance.now() < endMs) {
    const { statusCode, body } = await request(url, { dispatcher, headers: { authorization: `Bearer ${token}` } })
    await body.dump()
    if (statusCode === 200) counts.passed += 1
    else if (statusCode === 429) counts.limited += 1
    else throw new Error(`${url} answers ${statusCode}`)
  }
}
