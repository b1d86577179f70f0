import type { DashboardSpec } from '../dashboard.ts'

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
        {
          title: 'Volumes',
          kind: 'lines',
          unit: 'short',
          queries: [
            { expr: `sum by (namespace, class) (rotation_volumes${chosen})`, legend: '{{namespace}}/{{class}}' },
          ],
        },
        {
          title: 'Last check failed',
          description:
            'These keep their files. kubectl get events --field-selector reason=MountRotationFailed has the reason.',
          kind: 'lines',
          unit: 'short',
          limit: 1,
          queries: [
            {
              expr: `sum by (namespace, class) (rotation_failing_volumes${chosen})`,
              legend: '{{namespace}}/{{class}}',
            },
          ],
        },
        {
          title: 'Values from before an outage, or of a fallback vault',
          kind: 'lines',
          unit: 'short',
          limit: 1,
          queries: [{ expr: `sum by (namespace, class) (stale_volumes${chosen})`, legend: '{{namespace}}/{{class}}' }],
        },
      ],
    },
    {
      title: 'How current',
      panels: [
        {
          title: 'Time since the last check, of the volume that waits longest',
          kind: 'lines',
          unit: 's',
          queries: [
            {
              expr: `max by (namespace, class) (time() - rotation_last_check_timestamp_seconds${chosen})`,
              legend: '{{namespace}}/{{class}}',
            },
          ],
        },
        {
          title: 'Time since a check was due',
          description: 'A few seconds are normal. KeymountRotationLate fires at five minutes.',
          kind: 'lines',
          unit: 's',
          limit: 300,
          queries: [
            {
              expr: `clamp_min(max by (namespace, class) (time() - rotation_next_check_timestamp_seconds${chosen}), 0)`,
              legend: '{{namespace}}/{{class}}',
            },
          ],
        },
        {
          title: 'Time since a value changed on a node',
          description: 'Newest node and oldest node: they should be within one interval of each other.',
          kind: 'lines',
          unit: 's',
          queries: [
            {
              expr: `time() - max by (namespace, class) (rotation_last_change_timestamp_seconds${chosen})`,
              legend: '{{namespace}}/{{class}} newest',
            },
            {
              expr: `time() - min by (namespace, class) (rotation_last_change_timestamp_seconds${chosen})`,
              legend: '{{namespace}}/{{class}} oldest',
            },
          ],
        },
      ],
    },
  ],
}
