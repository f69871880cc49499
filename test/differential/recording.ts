/** Transcripts that were recorded from a server, so that they can be compared with where that server cannot be had. */

import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Transcript } from './transcript.ts'

/** The transcripts of one server by the name of the case. */
export interface Recording {
  readonly [caseName: string]: Transcript
}

/** The name under which a server's transcripts are recorded. */
export function recordingName(product: string, version: string): string {
  return `${product}-${version}`
}

function pathOf(name: string): string {
  return fileURLToPath(new URL(`recorded/${name}.json`, import.meta.url))
}

/** A recording of this folder. */
export async function readRecording(name: string): Promise<Recording> {
  return JSON.parse(await readFile(pathOf(name), 'utf8')) as Recording
}

/** Writes a recording; cases that were not run keep what they had, unless the run was whole. */
export async function writeRecording(name: string, transcripts: Recording, isWhole: boolean): Promise<void> {
  const before = isWhole ? {} : await readRecording(name).catch(() => ({}))
  await writeFile(pathOf(name), `${JSON.stringify({ ...before, ...transcripts }, undefined, 2)}\n`)
}
