import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDuration, formatSize, parseDuration, parseSize } from './quantity.ts'

test('durations are read with their unit, and nothing else is a duration', () => {
  const good: [string, number][] = [
    ['0', 0],
    ['30s', 30_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['1.5s', 1_500],
    ['10d', 864_000_000],
    ['1m30s', 90_000],
  ]
  for (const [text, expected] of good) assert.equal(parseDuration(text), expected, text)
  for (const text of ['', '30', 's', '30 s', '-1s', '1y', '30S', '1s2', '1e3s']) assert.equal(parseDuration(text), undefined, text)
})

test('sizes are read in binary and decimal units', () => {
  const good: [string, number][] = [
    ['512', 512],
    ['64MiB', 67_108_864],
    ['64 MiB', 67_108_864],
    ['10MB', 10_000_000],
    ['1.5KiB', 1_536],
    ['2B', 2],
    ['1TiB', 2 ** 40],
  ]
  for (const [text, expected] of good) assert.equal(parseSize(text), expected, text)
  for (const text of ['', 'MiB', '64M', '64mib', '-5', '1e3', '64  MiB', '0x10']) assert.equal(parseSize(text), undefined, text)
})

test('what is said of a limit is short', () => {
  assert.equal(formatSize(16 * 2 ** 20), '16 MiB')
  assert.equal(formatSize(1_536), '1.5 KiB')
  assert.equal(formatSize(7), '7 B')
  assert.equal(formatDuration(3_600_000), '1h')
  assert.equal(formatDuration(90_000), '90s')
  assert.equal(formatDuration(0), '0ms')
})
