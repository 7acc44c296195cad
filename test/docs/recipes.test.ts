/**
 * Holds the recipes of CONTRIBUTING.md to the code, so that they lead a newcomer to names that are there.
 *
 * In a step, what stands in backticks behind a link to a file is a name in that file. Commands and paths are held by
 * other tests of this folder.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { codes, documentAt, isInternal, ROOT, targetOf } from './markdown.ts'

interface Recipe {
  readonly title: string
  readonly steps: readonly string[]
  /** The paragraph about what fails when a step is forgotten. */
  readonly forgotten: string
}

const CONTRIBUTING = documentAt('CONTRIBUTING.md')
const FORGOTTEN = '**When a step is forgotten:**'

const recipes = recipesOf(CONTRIBUTING.text)

test('there is a recipe for each kind of change', () => {
  expect(recipes.map(({ title }) => title)).toEqual([
    'A refusal code',
    'A provider type',
    'A requirement of a route',
    'A key of a route',
    'A key of the configuration',
    'A layer',
    'A room',
    'A metric',
  ])
})

describe.each(recipes)('$title', ({ steps, forgotten }) => {
  test('has steps in their order, and says what fails when one is forgotten', () => {
    expect(steps.map(step => Number.parseInt(step, 10))).toEqual(steps.map((_step, index) => index + 1))
    expect(steps.length).toBeGreaterThan(2)
    expect(forgotten).toContain('Nothing fails')
    const named = [...forgotten.matchAll(/\bsteps? (\d+)(?:(?: to |, | and )(\d+))*/g)].flatMap(([text]) =>
      (text.match(/\d+/g) ?? []).map(Number),
    )
    expect(named.filter(number => number > steps.length)).toEqual([])
  })

  test.each(steps)('%s', step => {
    expect(namesWithTheirFile(step).filter(({ name, file }) => !occurs(name, textOf(file)))).toEqual([])
  })

  test('quotes tests that are in the file named before them', () => {
    const parts = [...forgotten.matchAll(/`(test\/[\w./-]+\.ts)`|"([^"]+)"/g)]
    let file: string | undefined
    for (const [, path, title] of parts) {
      file = path ?? file
      if (title !== undefined) expect(textOf(file), title).toContain(title.replaceAll('\n', ' '))
    }
  })
})

function recipesOf(text: string): readonly Recipe[] {
  const [, section = ''] = /^## Recipes\n([\s\S]*?)^## /m.exec(text) ?? []
  return section.split(/^### /m).slice(1).map(recipeOf)
}

function recipeOf(text: string): Recipe {
  const [title = '', ...lines] = text.split('\n')
  const [list = '', forgotten = ''] = lines.join('\n').split(FORGOTTEN)
  return {
    title,
    steps: list
      .split(/^(?=\d+\. )/m)
      .slice(1)
      .map(step => step.trim()),
    forgotten: forgotten.replaceAll(/\s+/g, ' '),
  }
}

interface NameInFile {
  readonly name: string
  readonly file: string
}

/** Names in backticks, each with the file of the last link before it. */
function namesWithTheirFile(step: string): readonly NameInFile[] {
  const parts = step.split(/(?=\[[^\]]*\]\([^)]*\))/)
  return parts.flatMap(namesOfPart).filter(({ name }) => !/[ /<]/.test(name))
}

function namesOfPart(part: string): readonly NameInFile[] {
  const [link, target] = /^\[[^\]]*\]\(([^)]*)\)/.exec(part) ?? []
  if (link === undefined || target === undefined || !isInternal(target)) return []
  const { path: file } = targetOf(CONTRIBUTING, target)
  return codes(part.slice(link.length)).map(name => ({ name, file }))
}

function occurs(name: string, text: string): boolean {
  const word = /^\w+$/.test(name) ? new RegExp(`(?<!\\w)${name}(?!\\w)`) : undefined
  return word?.test(text) ?? text.includes(name)
}

function textOf(file: string | undefined): string {
  return file === undefined ? '' : readFileSync(new URL(file, ROOT), 'utf8')
}
