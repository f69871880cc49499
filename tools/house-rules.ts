/**
 * The rules of the house as data: which layer may import which, how large things may be, and every exception with its reason.
 * The checks that read them are layer-checks.ts, shape-checks.ts and dead-code-checks.ts.
 */

/** Names a place of the tree: a folder under `src`, one protocol, or one of the files directly in `src`. */
export type Place = string

/** An exception to a rule; one that is no longer needed is a violation itself. */
export interface Exception {
  readonly path: string
  readonly reason: string
}

/** An edge that the table of layers does not have. */
export interface EdgeException extends Exception {
  readonly target: string
}

/** A function that may be longer than the others. */
export interface FunctionException extends Exception {
  readonly name: string
}

/** Everything the checks need to know about a project. */
export interface HouseRules {
  /** The places each place may import from, besides itself. `protocols/*` stands for every protocol. */
  readonly edges: Readonly<Record<Place, readonly Place[]>>
  readonly edgeExceptions: readonly EdgeException[]
  readonly fileLinesMax: number
  readonly fileExceptions: readonly Exception[]
  readonly functionLinesMax: number
  readonly functionExceptions: readonly FunctionException[]
  /** Words that say nothing and may be no folder and no end of a file name. */
  readonly emptyWords: readonly string[]
  /** Files that are started or looked for by name; what none of them reaches is dead. Tests and package scripts are added. */
  readonly entries: readonly string[]
  /** Files under `src` that only tests use, on purpose. */
  readonly testOnly: readonly Exception[]
  /** Exports that no other file uses, on purpose, as `path#name`. */
  readonly unusedExports: readonly Exception[]
  /** Files whose exported tables have no row that the product does not use elsewhere. */
  readonly tables: readonly string[]
  /** Members of classes and rows of tables that nothing names, on purpose, as `path#name`. */
  readonly unusedMembers: readonly Exception[]
}

/** The rules of this project; ARCHITECTURE.md tells them in words. */
export const HOUSE_RULES: HouseRules = {
  edges: {
    base: [],
    message: ['base'],
    storage: ['message', 'base'],
    broker: ['storage', 'message', 'base'],
    net: ['base'],
    'protocols/*': ['net', 'broker', 'message', 'base'],
    bus: ['message', 'base'],
    'bus/embedded': ['bus', 'broker', 'message', 'base'],
    routes: ['bus', 'message', 'base'],
    admin: ['broker', 'base'],
    cli: ['protocols/*', 'base'],
    'server.ts': ['base', 'message', 'storage', 'broker', 'net', 'protocols/*', 'bus', 'bus/embedded', 'routes', 'admin'],
    'index.ts': ['base', 'message', 'broker', 'bus', 'bus/embedded', 'routes'],
  },
  edgeExceptions: [
    { path: 'src/cli/serve.ts', target: 'src/server.ts', reason: 'the command that runs a server starts the composition root' },
    {
      path: 'src/cli/configuration/server-settings.ts',
      target: 'src/server.ts',
      reason: "makes the composition root's settings from the configuration",
    },
    { path: 'src/cli/salvage.ts', target: 'src/storage/salvage.ts', reason: 'works on a folder that no server can open' },
    { path: 'src/cli/salvage.ts', target: 'src/storage/file-disk.ts', reason: 'works on a folder that no server can open' },
  ],
  fileLinesMax: 600,
  fileExceptions: [],
  functionLinesMax: 70,
  functionExceptions: [],
  emptyWords: ['util', 'utils', 'helper', 'helpers', 'common', 'misc', 'manager', 'managers', 'types'],
  entries: ['src/index.ts', 'src/server.ts', 'src/cli/main.ts', 'examples/*/*.ts', 'bench/micro/*.ts', 'test/differential/main.ts'],
  testOnly: [
    { path: 'src/base/simulated-clock.ts', reason: 'virtual time for simulation and tests' },
    { path: 'src/storage/simulated-disk.ts', reason: 'the disk of simulation and tests' },
    { path: 'src/storage/simulated-file.ts', reason: 'the disk of simulation and tests' },
  ],
  unusedExports: [],
  tables: ['src/base/limits.ts', 'src/base/errors.ts'],
  unusedMembers: [],
}

/** The same rules for a tree that our exceptions say nothing about. */
export function withoutExceptions(rules: HouseRules): HouseRules {
  return { ...rules, edgeExceptions: [], fileExceptions: [], functionExceptions: [], testOnly: [], unusedExports: [], unusedMembers: [] }
}
