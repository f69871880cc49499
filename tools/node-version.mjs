/**
 * Loaded before every program of the checkout (`node --import`): says in one sentence what is wrong when the Node.js
 * that runs is too old for it, instead of letting a syntax error say it. Plain JavaScript, so that an old Node.js can
 * read it. It also turns on Node's compile cache: from the second start on nothing is compiled, and the compiler that takes the
 * types away (some 30 MiB of memory) is not even loaded.
 */
import * as module from 'node:module'
import process from 'node:process'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 24 || (major === 24 && minor < 6)) {
  process.stderr.write(
    `waybill: the checkout needs Node.js 24.6 or later and this is ${process.versions.node}: run "npm ci", which brings the pinned one ` +
      `as the package "node" (it exists for Linux, macOS and Windows on x64 and arm64), or put a newer Node.js first in PATH.\n`,
  )
  process.exit(78)
}

module.enableCompileCache?.()
