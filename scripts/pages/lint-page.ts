import { notices, ruleEntries, ruleGroups } from '#azure/lint'
import { generatedFrom } from './table.ts'

const intro = `# Lint: mistakes in manifests, found without a cluster

${generatedFrom('the rule tables (`src/azure/lint/rules`)')}

\`keymount lint\` checks SecretProviderClasses, and the pods, Secrets, service accounts, Ingresses and SecretSyncs that belong to
them. It needs no cluster and no Azure. A class is read by the provider's own parser, so what lint finds in it is what a mount
would fail with; each finding has file, line and column, also inside the text of \`objects\`.

\`\`\`bash
keymount lint manifests/                        # a directory, with everything below it
keymount lint charts/ --helm --values prod.yaml # charts, rendered by helm template
keymount lint overlays/prod --kustomize         # a kustomization, rendered by kubectl kustomize
\`\`\`

\`\`\`
manifests/shop.yaml:18:11: error KL004: failed to get objectType:secrets, …: Invalid vaultObjectTypes. Should be secret, key, or cert (objects[1].objectType: found "secrets"; did you mean secret?)
manifests/shop.yaml:41:29: error KL201: Secret "shop" has no key "password" (did you mean Password?)
    right: a key of the Secret
2 errors, 0 warnings, 0 remarks in 3 objects
\`\`\`

- It reads YAML (many documents, lists) and JSON; \`-\` is standard input. All files of one run are checked together: give it the
  class and the pod, and it compares them. Hidden folders, \`node_modules\` and links are left out of directories.
- \`-o json\`, \`-o sarif\` (SARIF 2.1.0, for code scanning) and \`-o github\` (annotations of a pull request) are for programs.
- \`--kubernetes 1.34\` is the version of the cluster.
- Exit status: 0 nothing wrong, 1 an error (with \`--strict\` also a warning), 2 a file that cannot be read, or no Kubernetes
  manifest at all: a wrong path in a pipeline does not pass.
- Placeholders that are filled in later (\`\${NAME}\`, \`$NAME\`, \`<name>\`, \`$(NAME)\`, \`#{NAME}#\`, quoted \`{{ name }}\`) are not
  checked. \`templates\` of a class is checked: there, \`{{ name }}\` is for the provider.
- What a file may hold is in [limits.md](limits.md#azurelint).

## Turn a rule off

A comment with a reason turns a rule off: at the end of a line for that line, on a line of its own for the next line and what
is nested below it, and before the first line of a document for the document.

\`\`\`yaml
# keymount-lint: ignore KL402 the nodes of this cluster serve one team
kind: SecretProviderClass
\`\`\`

## In a pipeline

As a [pre-commit](https://pre-commit.com) hook:

\`\`\`yaml
repos:
  - repo: https://github.com/keymount/keymount
    rev: v0.2.0
    hooks:
      - id: keymount-lint
\`\`\`

As a step of a GitHub workflow:

\`\`\`yaml
- uses: keymount/keymount@v0.2.0
  with:
    paths: manifests
    strict: true
\`\`\`

For code scanning, upload what \`keymount lint manifests -o sarif > lint.sarif\` prints.

Editors check classes while they are written with [the JSON Schema](secretproviderclass.md).
`

/** The text of docs/lint.md. */
export function lintPage(): string {
  const groups = ruleGroups.map((heading, digit) => {
    const rules = ruleEntries.filter(([id]) => id.startsWith(`KL${digit}`))
    return `## ${heading}\n\n${rules.map(([id, rule]) => section(id, rule)).join('\n')}`
  })
  const others = Object.entries(notices).map(([id, notice]) => section(id, notice))
  return [intro, ...groups, `## Files and comments\n\n${others.join('\n')}`].join('\n')
}

interface Described {
  title: string
  severity: string
  exception?: string
  why: string
  right: string
}

function section(id: string, { title, severity, exception, why, right }: Described): string {
  const level = exception === undefined ? severity : `${severity}; ${exception}`
  return `### ${id}\n\n${title[0]?.toUpperCase() ?? ''}${title.slice(1)} (${level}). ${why}\n\n**Expected:** ${right}.\n`
}
