/**
 * A driver's error about a volume without upstream's words, which name the pod again: a reader has it already, and pods that
 * fail for the same reason have the same text. One object is named as several are, `secret/db-password`.
 */
export function failureText(message: string): string {
  return message
    .replace(
      /(^|; )failed to mount secrets store objects for pod \S+, err: (failed to mount objects, error: )?(\[[a-z-]+\]$)?/,
      '',
    )
    .replace(/^failed to mount objects, error: /, '')
    .replace(
      /failed to get objectType:(\w{1,9}), objectName:([\w-]{1,127}), objectVersion:(\w{0,32}): /,
      (_, type: string, name: string, version: string) =>
        `failed to get ${[type, name, version].filter((part) => part !== '').join('/')}: `,
    )
}

/** kubelet's event about a failed mount: `volume "secrets": ` and what the driver reports. */
export function mountFailureText(message: string): string {
  const [, volume, text] =
    /^MountVolume\.SetUp failed for volume "([^"]*)" : rpc error: code = \w+ desc = (.*)$/s.exec(message) ?? []
  return text === undefined ? message : `volume "${volume}": ${failureText(text)}`
}
