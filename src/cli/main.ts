#!/usr/bin/env node
/**
 * The `waybill` command. Only the chosen subcommand's modules are loaded: help is quick, and a server carries no client.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { describeError, EXIT, exitCodeOf } from './exit-codes.ts'
import type { ServeFlags } from './serve.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

const collect = (value: string, before: readonly string[] | undefined): string[] => [...(before ?? []), value]

function createProgram(): Command {
  const program = new Command('waybill')
    .description(
      'A message broker in one process: every AMQP 0-9-1 client connects unchanged, and a confirm means the bytes are on the disk.',
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
  program
    .command('serve')
    .description('run the broker until SIGTERM or SIGINT; prints a line with "ready" once it accepts connections')
    .option('--config <file>', 'YAML configuration (or WAYBILL_CONFIG); see docs/configuration.md')
    .option('--data <folder>', 'folder of the data (default: ./waybill-data)')
    .option(
      '--amqp <[host:]port>',
      'where AMQP 0-9-1 is spoken; several times for several, "none" for nowhere (default: 127.0.0.1:5672)',
      collect,
    )
    .option('--amqps <[host:]port>', 'the same over TLS; needs "tls" in the configuration', collect)
    .addOption(new Option('--log-level <level>', 'what is logged on standard error (default: info)'))
    .addOption(new Option('--log-format <format>', 'text or json (default: text)'))
    .action(async (flags: ServeFlags) => {
      const { serve } = await import('./serve.ts')
      await serve(flags, version)
    })
  return program
}

async function main(): Promise<void> {
  try {
    await createProgram().parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
      return
    }
    process.stderr.write(describeError(error))
    process.exit(exitCodeOf(error))
  }
}

await main()
