import { resolve } from 'node:path'
import type { LabHome } from '#lab/home'

/** Whether a kubeconfig is one that the lab has written, also where that is down. */
export function isOfLab(kubeconfig: string, { root }: Pick<LabHome, 'root'>): boolean {
  return resolve(kubeconfig).startsWith(`${resolve(root)}/`)
}
