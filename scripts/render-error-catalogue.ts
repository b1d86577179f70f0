import { status } from '@grpc/grpc-js'
import { errorCatalogue } from '#product/provider'

const intro = `# Errors of the provider

A mount that fails says why in the pod's event, in the driver's answer and in the provider's log line
(\`errorCode\`). The word in square brackets is stable: search for it here. It is also the \`error\` label of
\`keyvault_request\` and the \`grpc_message\` label of \`grpc_request\`.

The pod waits in \`ContainerCreating\` and starts by itself once the cause is mended. A rotation that fails leaves the
files as they are.

What begins with \`entra-\`, and \`vault-forbidden\`, is best looked at with \`keymount identity doctor POD\`, which
compares both sides and prints the command that mends it ([identity.md](identity.md)).

<!-- Made by scripts/generate-error-catalogue.ts from src/product/provider/error-catalogue.ts; a test compares them. -->
`

/** The text of docs/errors.md. */
export function renderErrorCatalogue(): string {
  const entries = Object.entries(errorCatalogue).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const sections = entries.map(
    ([code, { grpc, meaning, mend }]) => `## ${code}\n\n${meaning} (gRPC ${codeName(grpc)})\n\n**Mend:** ${mend}\n`,
  )
  return [intro, ...sections].join('\n')
}

function codeName(code: status): string {
  return (status[code] ?? '').toLowerCase().replaceAll(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase())
}
