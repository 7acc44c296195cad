/**
 * Reads the project's TypeScript with a parser, so that a test can hold what files import, export and say in comments.
 *
 * Type-only imports, `import('…')` in types and dynamic imports count like any other. An import whose address is
 * computed is of the kind `computed`, so that a test can forbid it.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ESTree, parseSync, Visitor } from 'vite'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface Source {
  /** The path from the project's root, as in `src/lib/clock.ts`. */
  readonly path: string
  readonly lines: readonly string[]
  readonly imports: readonly Import[]
  readonly exports: readonly Export[]
  readonly comments: readonly Comment[]
  /** Names of the outer world that the code uses: `process`, `setTimeout`, `Date.now`. */
  readonly globals: readonly Global[]
}

export interface Import {
  /** The path of a file from the project's root, the name of a package, or a module of Node with its `node:`. */
  readonly target: string
  readonly kind: 'file' | 'package' | 'node' | 'computed'
  /** The exports that are imported; {@link EVERYTHING} stands for all of them. */
  readonly names: readonly string[]
  readonly line: number
}

export interface Export {
  readonly name: string
  readonly line: number
}

export interface Comment {
  readonly text: string
  readonly line: number
}

export interface Global {
  readonly name: string
  readonly line: number
}

/** The name under which an import stands that takes every export of its target. */
export const EVERYTHING = '*'

/**
 * @param folder from the project's root
 * @returns every TypeScript file in it, at any depth, in the order of their paths
 */
export function readSources(folder: string): readonly Source[] {
  return filesIn(folder)
    .filter(path => path.endsWith('.ts'))
    .map(readSource)
}

/** @returns the paths of all files in a folder, from the project's root, at any depth, in their order */
export function filesIn(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(ROOT.length))
    .toSorted()
}

/** @param path from the project's root */
export function readSource(path: string): Source {
  return parseSource(path, readFileSync(join(ROOT, path), 'utf8'))
}

/** @throws {Error} the text is no TypeScript */
export function parseSource(path: string, text: string): Source {
  const { program, module, comments, errors } = parseSync(path, text, { preserveParens: false })
  if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`)
  const starts = lineStarts(text)
  const lineOf = (offset: number): number => starts.findLastIndex(start => start <= offset) + 1
  const importOf = (specifier: string | undefined, names: readonly string[], offset: number): Import => ({
    ...resolved(path, specifier),
    names,
    line: lineOf(offset),
  })
  const imports = module.staticImports.map(({ moduleRequest, entries, start }) =>
    importOf(moduleRequest.value, entries.map(importedName), start),
  )
  const exports: Export[] = []
  for (const entry of module.staticExports.flatMap(({ entries }) => entries)) {
    const { exportName, importName, moduleRequest, start } = entry
    if (exportName.name !== null) exports.push({ name: exportName.name, line: lineOf(start) })
    if (moduleRequest !== null) imports.push(importOf(moduleRequest.value, [importName.name ?? EVERYTHING], start))
  }
  for (const { specifier, name, start } of expressions(program)) imports.push(importOf(specifier, [name], start))
  return {
    path,
    lines: text.split('\n'),
    imports,
    exports,
    comments: comments.map(({ value, start }) => ({ text: value, line: lineOf(start) })),
    globals: globalsIn(program).map(({ name, start }) => ({ name, line: lineOf(start) })),
  }
}

function importedName({ importName: { kind, name } }: { importName: { kind: string; name?: string | null } }): string {
  return kind === 'Name' && typeof name === 'string' ? name : EVERYTHING
}

function lineStarts(text: string): readonly number[] {
  return [0, ...text.matchAll(/\n/g).map(({ index }) => index + 1)]
}

function resolved(path: string, specifier: string | undefined): Pick<Import, 'target' | 'kind'> {
  if (specifier === undefined) return { target: '', kind: 'computed' }
  if (specifier.startsWith('.')) return { target: join(path, '..', specifier), kind: 'file' }
  if (specifier.startsWith('node:')) return { target: specifier, kind: 'node' }
  if (builtinModules.includes(specifier)) return { target: `node:${specifier}`, kind: 'node' }
  const [name = specifier, inner = ''] = specifier.split('/')
  return { target: name.startsWith('@') ? `${name}/${inner}` : name, kind: 'package' }
}

interface ImportExpression {
  /** Undefined when it is computed. */
  readonly specifier: string | undefined
  readonly name: string
  readonly start: number
}

/** @returns the imports that stand inside of code and types */
function expressions(program: ESTree.Program): readonly ImportExpression[] {
  const found = new Map<number, ImportExpression>()
  const add = (source: ESTree.Node, name: string, start: number): void => {
    const specifier = source.type === 'Literal' && typeof source.value === 'string' ? source.value : undefined
    // `(await import('./x.ts')).name` is met from the outside in: what is known about the name comes first.
    if (!found.has(start)) found.set(start, { specifier, name, start })
  }
  new Visitor({
    MemberExpression({ object, property }) {
      const inner = object.type === 'AwaitExpression' ? object.argument : object
      if (inner.type !== 'ImportExpression' || property.type !== 'Identifier') return
      add(inner.source, property.name, inner.start)
    },
    ImportExpression({ source, start }) {
      add(source, EVERYTHING, start)
    },
    TSImportType({ source, qualifier, start }) {
      add(source, qualifier?.type === 'Identifier' ? qualifier.name : EVERYTHING, start)
    },
  }).visit(program)
  return [...found.values()]
}

interface Use {
  readonly name: string
  readonly start: number
}

/** Objects of which only a member is worth a name. */
const OWNERS: ReadonlySet<string> = new Set(['Date', 'performance', 'AbortSignal'])

/** @returns identifiers that are no member of another object, with their member where the object alone says nothing */
function globalsIn(program: ESTree.Program): readonly Use[] {
  const found: Use[] = []
  const members = new Set<number>()
  new Visitor({
    MemberExpression({ object, property, computed }) {
      if (computed || property.type !== 'Identifier') return
      members.add(property.start)
      const owner = globalName(object)
      if (owner === 'globalThis') found.push({ name: property.name, start: property.start })
      else if (owner !== undefined && OWNERS.has(owner))
        found.push({ name: `${owner}.${property.name}`, start: object.start })
    },
    VariableDeclarator({ id, init }) {
      const owner = init === null ? undefined : globalName(init)
      if (id.type !== 'ObjectPattern' || owner === undefined) return
      for (const each of id.properties) {
        if (each.type !== 'Property' || each.key.type !== 'Identifier') continue
        if (owner === 'globalThis') found.push({ name: each.key.name, start: each.start })
        else if (OWNERS.has(owner)) found.push({ name: `${owner}.${each.key.name}`, start: each.start })
      }
    },
    NewExpression({ callee, arguments: given, start }) {
      if (callee.type === 'Identifier' && given.length === 0) found.push({ name: `new ${callee.name}()`, start })
    },
    Identifier({ name, start }) {
      if (!members.has(start)) found.push({ name, start })
    },
  }).visit(program)
  return found
}

/** @returns `performance` for `performance` and for `globalThis.performance`; undefined for what has no such name */
function globalName(node: ESTree.Node): string | undefined {
  if (node.type === 'Identifier') return node.name
  if (node.type !== 'MemberExpression' || node.computed || node.property.type !== 'Identifier') return undefined
  return globalName(node.object) === 'globalThis' ? node.property.name : undefined
}
