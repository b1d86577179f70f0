import type { CsiDriver } from '#kubernetes/client'
import { driverName } from '#lab/home'
import { commandLine } from '#terminal'
import type { Answer } from '../../answer.ts'
import { checkDriver } from '../../identity/doctor/check-class.ts'
import { fail, fine, notKnown, type Observation, observationOf } from '../step.ts'

/** K1: what kubelet reads from the CSIDriver object before it calls the driver. */
export function judgeCsiDriver(driver: Answer<CsiDriver | undefined>, installCommand: string): Observation[] {
  if ('why' in driver) return [notKnown(driver.why)]
  const found = checkDriver({ driver, installCommand }).map(observationOf)
  if (driver.value === undefined) return found
  const { podInfoOnMount, requiresRepublish } = driver.value.spec
  return [
    ...found,
    ...(podInfoOnMount === true
      ? []
      : [fail('csidriver-pod-info-off', 'podInfoOnMount is not true', [turnOn('podInfoOnMount')])]),
    ...(requiresRepublish === true
      ? []
      : [
          fail(
            'csidriver-republish-off',
            'requiresRepublish is not true: kubelet never brings a fresh token, so nothing rotates after an hour',
            [turnOn('requiresRepublish')],
          ),
        ]),
    fine('its fields are as the driver needs them'),
  ]
}

function turnOn(field: string): string {
  const patch = JSON.stringify({ spec: { [field]: true } })
  return commandLine('kubectl', 'patch', 'csidriver', driverName, '--type', 'merge', '--patch', patch)
}
