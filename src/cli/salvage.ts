/** `waybill salvage`: copies what is readable of a damaged data folder into an empty one. The damaged one is not changed. */
import { FileDisk } from '../storage/file-disk.ts'
import { salvage } from '../storage/salvage.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'

/** The flags of the command. */
export interface SalvageFlags {
  readonly data: string
  readonly into: string
}

/**
 * Salvages and reports on standard output, one line for each damaged place.
 * @returns ok when everything was readable, incomplete when something was lost
 */
export async function salvageFolder(flags: SalvageFlags): Promise<ExitCode> {
  const report = await salvage(new FileDisk(flags.data), new FileDisk(flags.into))
  const lines = report.damaged.map(({ file, offset, sizeBytes }) => `damaged: ${file} at offset ${offset}, ${sizeBytes} bytes`)
  lines.push(
    `segments: ${report.segmentCount}, records kept after the checkpoint: ${report.recordCount}, checkpoint: ${report.checkpoint ?? 'none'}`,
  )
  lines.push(`${flags.into} can be started: waybill serve --data ${flags.into}`)
  process.stdout.write(`${lines.join('\n')}\n`)
  return report.damaged.length === 0 ? EXIT.ok : EXIT.incomplete
}
