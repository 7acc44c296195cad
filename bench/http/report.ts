/**
 * Prints results and keeps them in `bench/results/`: a table to read, and every sample as JSON,
 * without host names and paths.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { markdown } from '../lib/table.ts'
import type { Effort, Result } from './scenario.ts'

export interface Circumstances {
  readonly effort: Effort
  readonly machine: readonly string[]
}

const FOLDER = fileURLToPath(new URL('../results/', import.meta.url))

export function publish(scenario: string, results: readonly Result[], { effort, machine }: Circumstances): void {
  const sections = results.map(({ title, table, notes }) =>
    [`## ${title}`, markdown(table), ...notes.map(note => `- ${note}`)].join('\n\n'),
  )
  const how = `Medians (lowest–highest) of ${effort.rounds} rounds of ${effort.seconds} s${effort.isQuick ? ', quick mode' : ''}. ${machine.join('; ')}.`
  const text = `${[...sections, how].join('\n\n')}\n`
  console.log(`\n${text}`)
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(`${FOLDER}${scenario}.md`, text)
  const data = { date: new Date().toISOString(), machine, effort, results }
  writeFileSync(`${FOLDER}${scenario}.json`, `${JSON.stringify(data, null, 2)}\n`)
}
