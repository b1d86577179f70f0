/**
 * The pod and the volume that a target path of kubelet stands for:
 * `<kubelet root>/pods/<uid>/volumes/kubernetes.io~csi/<volume>/mount`, with the separators of either system.
 * Undefined for any other path.
 */
export function parseTargetPath(path: string): { podUid: string; volume: string } | undefined {
  const match = /[/\\]pods[/\\]+([^/\\]+)[/\\]+volumes[/\\]+kubernetes\.io~csi[/\\]+([^/\\]+)[/\\]+mount[/\\]*$/.exec(
    path,
  )
  return match?.[1] === undefined || match[2] === undefined ? undefined : { podUid: match[1], volume: match[2] }
}
