import assert from 'node:assert/strict'
import { parseProgram } from '#lib/flags'
import { driverProgram } from '#product/driver'
import { nmiProgram } from '#product/pod-identity'
import { refuses } from '../expected-error.ts'

/** A command line, words separated by zero bytes. */
export function fuzz(data: Buffer): void {
  const argv = data.toString('utf8').split('\0')
  const driver = refuses(() => parseProgram(driverProgram, ['--nodeid=n', ...argv], {}))
  if (driver?.kind === 'run') assert.ok(driver.config.rotationIntervalMs >= 1000, 'an interval below its limit')
  refuses(() => parseProgram(nmiProgram, argv, {}))
}
