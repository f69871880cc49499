/**
 * The one table of test stages: what `npm test` runs, how many files at once and for how long at most.
 *
 * To add a suite, put its `*.test.ts` files in a folder under `test/` and a row here. A stage without a test file fails:
 * a suite that has silently become empty proves nothing.
 */

/** A named part of the test run. */
export interface Stage {
  readonly name: string
  /** What the stage proves, for `npm test -- --list`. */
  readonly promise: string
  /** Glob patterns of test files, from the project's root. */
  readonly files: readonly string[]
  /** How many test files may run at once; bounded by the processors of the machine. */
  readonly parallelFileCount: number
  /** The stage is stopped and counted as failed when it takes longer. */
  readonly timeLimitMs: number
  /** Debian packages to install before the stage, where that is possible; its tests skip themselves without them. */
  readonly debianPackages?: readonly string[]
  /** Environment of the test processes, over that of the run. */
  readonly environment?: Readonly<Record<string, string>>
}

const MINUTE_MS = 60_000

/** Every stage, quick ones first, so that a mistake shows early. */
export const STAGES: readonly Stage[] = [
  {
    name: 'unit',
    promise: 'each module keeps its own promises, without sockets, disks or processes',
    files: ['src/**/*.test.ts', 'bench/**/*.test.ts'],
    parallelFileCount: 2,
    timeLimitMs: 5 * MINUTE_MS,
  },
  {
    name: 'tools',
    promise: "the project's own checks find planted violations and pass a clean tree",
    files: ['test/tools/**/*.test.ts', 'test/bench/**/*.test.ts'],
    parallelFileCount: 1,
    timeLimitMs: 3 * MINUTE_MS,
  },
  {
    name: 'storage',
    promise: 'every storage implementation passes the one conformance suite, on real and simulated disks',
    files: ['test/storage/**/*.test.ts'],
    parallelFileCount: 1,
    timeLimitMs: 5 * MINUTE_MS,
  },
  {
    name: 'broker',
    promise: 'every feature of queues and exchanges does what it says, also across a restart and a crash',
    files: ['test/broker/**/*.test.ts'],
    parallelFileCount: 2,
    timeLimitMs: 5 * MINUTE_MS,
  },
  {
    name: 'conformance',
    promise: 'AMQP 0-9-1 is spoken as specified, over real sockets',
    files: ['test/conformance/**/*.test.ts', 'test/amqp-0-9-1/**/*.test.ts'],
    parallelFileCount: 2,
    timeLimitMs: 5 * MINUTE_MS,
  },
  {
    name: 'server',
    promise: 'the server and its command line start, drain, refuse and explain as documented',
    files: ['test/server/**/*.test.ts', 'test/cli/**/*.test.ts', 'test/net/**/*.test.ts'],
    parallelFileCount: 2,
    timeLimitMs: 5 * MINUTE_MS,
  },
  {
    name: 'hostile',
    promise: 'any bytes, any number of connections and any slowness end in the right error, with bounded memory',
    files: ['test/hostile/**/*.test.ts', 'test/fuzz/**/*.test.ts'],
    parallelFileCount: 1,
    timeLimitMs: 6 * MINUTE_MS,
  },
  {
    name: 'interop',
    promise: 'clients that others wrote connect unchanged',
    files: ['test/interop/**/*.test.ts'],
    parallelFileCount: 1,
    timeLimitMs: 6 * MINUTE_MS,
    debianPackages: ['amqp-tools', 'python3-pika'],
  },
  {
    name: 'differential',
    promise: 'replies and errors are those of RabbitMQ, case by case',
    files: ['test/differential/**/*.test.ts', 'test/peers/**/*.test.ts'],
    parallelFileCount: 1,
    timeLimitMs: 8 * MINUTE_MS,
    debianPackages: ['rabbitmq-server'],
  },
  {
    name: 'simulation',
    promise: 'the real broker survives simulated crashes, torn writes, bit flips, full and slow disks, for at least 300 seeds',
    files: ['test/simulation/**/*.test.ts'],
    parallelFileCount: 2,
    timeLimitMs: 8 * MINUTE_MS,
  },
  {
    name: 'crash',
    promise: 'kill -9 under load, at least 50 times: every confirmed message is accounted for',
    files: ['test/crash/**/*.test.ts'],
    parallelFileCount: 1,
    timeLimitMs: 8 * MINUTE_MS,
  },
  {
    name: 'package',
    promise: 'the packed tarball installs in an empty folder and its broker starts',
    files: ['test/package/**/*.test.ts'],
    parallelFileCount: 1,
    timeLimitMs: 5 * MINUTE_MS,
  },
  {
    name: 'examples',
    promise: 'every example runs to its end and proves what it says',
    files: ['test/examples/**/*.test.ts'],
    parallelFileCount: 1,
    timeLimitMs: 5 * MINUTE_MS,
    debianPackages: ['python3-pika'],
  },
  {
    name: 'docs',
    promise: 'what the documentation shows compiles, exists and runs',
    files: ['test/docs/**/*.test.ts'],
    parallelFileCount: 1,
    timeLimitMs: 3 * MINUTE_MS,
  },
]
