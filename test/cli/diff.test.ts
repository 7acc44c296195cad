/** Tests `sallyport diff` as a user calls it. */
import { describe, expect, test } from 'vitest'
import { diffCommand } from '../../src/cli/diff.ts'
import { runCommand } from '../support/gateway/command.ts'
import { sallyport } from '../support/gateway/running.ts'
import { folder, textOf } from '../tools/support.ts'

const files = folder()

describe('the command', () => {
  const old = files.write('old.yaml', textOf('{ id: a, path: /a, require: { scopes: [x] } }'))
  const next = files.write('new.yaml', textOf('{ id: a, path: /a }'))
  const run = (...args: readonly string[]) => runCommand(diffCommand, args)

  test('prints each change with the requests it concerns, and fails only where it is told to', async () => {
    const { code, stdout } = await run(old, next)
    expect(stdout).toBe('loosened  a  all methods /a\n             no longer asks for scopes: x\n')
    expect(code).toBe(0)
    expect((await run(old, next, '--fail-on', 'loosened')).code).toBe(1)
    expect((await run(next, old, '--fail-on', 'loosened')).code).toBe(0)
  })

  test('fails for what is loosened also where the same change tightens something', async () => {
    const mixed = files.write(
      'mixed.yaml',
      textOf('{ id: a, path: /a, require: { scopes: [y] } }').replace(
        'https://auth.example.com/',
        'https://auth.example.org/',
      ),
    )
    const { code, stdout } = await run(old, mixed, '--fail-on', 'loosened')
    expect(stdout).toBe(
      [
        'changed  a              all methods /a',
        '             scopes: also y',
        '             scopes: no longer x',
        '             passes now: {"scope":"y"} of main',
        '',
        'Security settings outside the routes',
        'changed  provider main',
        '             issuer is another',
        '             passes now: what fits issuer: https://auth.example.org/',
        '',
      ].join('\n'),
    )
    expect(code).toBe(1)
    expect((await run(old, mixed)).code).toBe(0)
  })

  test.each([
    [{ FORCE_COLOR: '1' }, true],
    [{ FORCE_COLOR: '0' }, false],
  ])('is in colours or not as %j asks', async (env, isColoured) => {
    const { exited, stdout } = sallyport(['diff', old, next], { env })
    expect(await exited).toBe(0)
    expect(stdout().includes('\u001b[')).toBe(isColoured)
  })

  test('says so when nothing changes', async () => {
    expect(await run(old, old)).toMatchObject({ code: 0, stdout: 'No request changes its outcome.\n' })
  })

  test('as JSON', async () => {
    expect(JSON.parse((await run(old, next, '--json')).stdout)).toMatchObject([
      { kind: 'loosened', subject: 'a', requests: { path: '/a' }, details: ['no longer asks for scopes: x'] },
    ])
  })

  test.each([
    [['a'], 'takes two files'],
    [['a', 'b', '--fail-on', 'worse'], 'is no kind of change'],
  ])('wrong usage %j is told with its remedy', async (args, message) => {
    expect(await run(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) })
  })
})
