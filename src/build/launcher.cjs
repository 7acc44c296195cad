#!/usr/bin/env node
/**
 * Is `dist/cli.cjs`, which the package's `sallyport` starts: it tells a Node that is too old so, in one sentence, and
 * hands over to the bundle else.
 *
 * The bundle cannot say it: what it is written in is a syntax error to an old Node, which then prints a line of it and
 * a stack. So this file is in words that every Node knows since version 12. The image starts the bundle itself.
 */
'use strict'

if (parseInt(process.versions.node, 10) < 24) {
  process.stderr.write(
    'sallyport needs Node 24 or later; this is ' +
      process.version +
      ' (' +
      process.execPath +
      '). Install a newer Node, or put one first on the PATH.\n',
  )
  process.exitCode = 2
} else {
  import('./sallyport.js')
}
