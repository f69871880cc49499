#!/usr/bin/env node
/**
 * The `waybill` command. Only the chosen subcommand's modules are loaded: help is quick, and a server carries no client.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { describeError, EXIT, exitCodeOf } from './exit-codes.ts'
import type { ConsumeFlags } from './consume.ts'
import type { PublishFlags } from './publish.ts'
import type { SalvageFlags } from './salvage.ts'
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
  addServe(program)
  addPublish(program)
  addConsume(program)
  program
    .command('hash-password')
    .description('read a password from standard input and print its hash for the configuration')
    .action(async () => {
      const { printPasswordHash } = await import('./hash-password.ts')
      await printPasswordHash()
    })
  return program
}

function addServe(program: Command): void {
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
}

function addPublish(program: Command): void {
  program
    .command('publish')
    .description('publish JSON lines (or raw bytes, or files) and wait until each message is confirmed')
    .option(
      '--url <url>',
      'where to; amqp://user:password@host:port/namespace (or WAYBILL_URL, which keeps the password out of the list of processes)',
    )
    .option('--exchange <name>', 'exchange; the default exchange leads to the queue that is named by --key', '')
    .option('--key <key>', 'routing key', '')
    .option('--type <type>', 'message type, such as OrderCreated')
    .option('--header <name=value>', 'a header; several times for several', collect)
    .option('--no-persistent', 'the messages need not survive a restart')
    .option('--mandatory', 'a message that no queue takes is an error')
    .option('--content-type <type>', 'default for JSON lines: application/json')
    .option('--priority <number>', 'message priority')
    .option('--expires <duration>', 'time to live, such as 30s')
    .option('--correlation-id <id>', 'correlation id')
    .option('--reply-to <queue>', 'where answers go')
    .option('--raw', 'the whole input is one message')
    .option('--file <file...>', 'each file is one message')
    .option('--from-line <number>', 'begin at this line of the input', '1')
    .option('--on-error <stop|skip>', 'what happens after a line that is not JSON, or a file that cannot be read', 'stop')
    .option('--window <count>', 'how many messages may wait for confirmation', '1000')
    .action(async (flags: PublishFlags) => {
      const { publish } = await import('./publish.ts')
      process.exitCode = await publish(flags)
    })
}

function addConsume(program: Command): void {
  program
    .command('consume')
    .description('write the messages of a queue to standard output, one JSON line each')
    .option('--url <url>', 'where from; amqp://user:password@host:port/namespace (or WAYBILL_URL)')
    .requiredOption('--queue <name>', 'the queue')
    .option('--count <number>', 'end after so many messages')
    .option('--idle <duration>', 'end when no message came for so long, such as 5s')
    .option('--ack', 'take a message from the queue once it is written', true)
    .option('--no-ack', 'look only: every message (65,535 at most) goes back to the queue when the command ends')
    .option('--format <format>', 'json (properties and body, one line each), raw (the body and a line end) or pretty (for people)', 'json')
    .option('--output <folder>', 'write each message to files in this folder instead')
    .option('--declare', 'create the queue (durable) when it does not exist')
    .option('--prefetch <count>', 'how many messages may be on their way', '100')
    .action(async (flags: ConsumeFlags) => {
      const { consume } = await import('./consume.ts')
      process.exitCode = await consume(flags)
    })
  program
    .command('salvage')
    .description('copy what is readable of a damaged data folder into an empty one that starts; the server must not run')
    .requiredOption('--data <folder>', 'the damaged folder; it is not changed')
    .requiredOption('--into <folder>', 'the folder to make')
    .action(async (flags: SalvageFlags) => {
      const { salvageFolder } = await import('./salvage.ts')
      process.exitCode = await salvageFolder(flags)
    })
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
