import type { Source } from '../source.ts'
import { akv2k8sSource } from './akv2k8s.ts'
import { appConfigSource } from './appconfig.ts'
import { esoSource } from './eso.ts'
import { gkeSource } from './gke.ts'
import { sseSource } from './sse.ts'
import { upstreamSource } from './upstream.ts'

/** Every tool that a migration can come from; an object belongs to the first one that owns it. */
export const sources: readonly Source[] = [
  esoSource,
  akv2k8sSource,
  gkeSource,
  sseSource,
  appConfigSource,
  upstreamSource,
]
