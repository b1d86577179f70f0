import { type DashboardSpec, lines } from '../dashboard.ts'

const chosen = '{namespace=~"$namespace", class=~"$class"}'

/** One class, or those of a namespace: are its volumes current? */
export const classes: DashboardSpec = {
  name: 'class',
  title: 'Keymount: classes',
  description: 'The volumes of SecretProviderClasses, for the team that owns them.',
  variables: [
    { name: 'namespace', metric: 'rotation_volumes' },
    { name: 'class', metric: 'rotation_volumes' },
  ],
  rows: [
    {
      title: 'Volumes',
      panels: [
        lines('Volumes', 'short', {
          '{{namespace}}/{{class}}': `sum by (namespace, class) (rotation_volumes${chosen})`,
        }),
        lines(
          'Last check failed',
          'short',
          { '{{namespace}}/{{class}}': `sum by (namespace, class) (rotation_failing_volumes${chosen})` },
          {
            description:
              'These keep their files. kubectl get events --field-selector reason=MountRotationFailed has the reason.',
            limit: 1,
          },
        ),
        lines(
          'Values from before an outage, or of a fallback vault',
          'short',
          { '{{namespace}}/{{class}}': `sum by (namespace, class) (stale_volumes${chosen})` },
          { limit: 1 },
        ),
      ],
    },
    {
      title: 'How current',
      panels: [
        lines('Time since the last check, of the volume that waits longest', 's', {
          '{{namespace}}/{{class}}': `max by (namespace, class) (time() - rotation_last_check_timestamp_seconds${chosen})`,
        }),
        lines(
          'Time since a check was due',
          's',
          {
            '{{namespace}}/{{class}}': `clamp_min(max by (namespace, class) (time() - rotation_next_check_timestamp_seconds${chosen}), 0)`,
          },
          { description: 'A few seconds are normal. KeymountRotationLate fires at five minutes.', limit: 300 },
        ),
        lines(
          'Time since a value changed on a node',
          's',
          {
            '{{namespace}}/{{class}} newest': `time() - max by (namespace, class) (rotation_last_change_timestamp_seconds${chosen})`,
            '{{namespace}}/{{class}} oldest': `time() - min by (namespace, class) (rotation_last_change_timestamp_seconds${chosen})`,
          },
          { description: 'Newest node and oldest node: they should be within one interval of each other.' },
        ),
      ],
    },
  ],
}
