/** Seeds that failed once, with the fault that they found. */
export const keptSeeds: readonly { scenario: string; seed: number; found: string }[] = [
  {
    scenario: 'node driver with events and outages',
    seed: 20172,
    found: 'a change that was reported while a volume was read for another one waited for its interval',
  },
  {
    scenario: 'node driver with events and outages',
    seed: 3118,
    found: 'a volume with values from before an outage was called fresh after a read of a few of its objects',
  },
  {
    scenario: 'node driver with events and outages',
    seed: 1078,
    found: 'a volume that was recovered after its class had been listed missed the change that the class reported',
  },
  {
    scenario: 'node driver with events and outages',
    seed: 14,
    found: 'a change that was reported while a volume was restored after a restart was lost',
  },
  {
    scenario: 'node driver with events and outages',
    seed: 77,
    found: 'after a restart, a volume with values from before an outage waited for its interval',
  },
  { scenario: 'node driver', seed: 187, found: 'a mount that kubelet takes for absent is never unmounted' },
  { scenario: 'node driver', seed: 264, found: 'a failed look at the mounts was answered as a final failure' },
  {
    scenario: 'node driver',
    seed: 3229,
    found: 'a Secret got an owner that no longer exists, and was collected again',
  },
  { scenario: 'webhook certificates', seed: 3, found: 'a replica that restarts presents a certificate too early' },
  { scenario: 'webhook certificates', seed: 19, found: 'the same, after a partition' },
  { scenario: 'pod identity', seed: 184, found: 'an identity stayed on its machine after a node could not be read' },
  { scenario: 'pod identity', seed: 212, found: 'the same, for another node' },
  {
    scenario: 'node driver with typed Secrets',
    seed: 284,
    found:
      'Secrets of a bare pod got an owner that was gone, after the answer to the creation of its status object was lost',
  },
  { scenario: 'node driver with typed Secrets', seed: 384, found: 'the same, for another pod' },
  {
    scenario: 'node driver with typed Secrets',
    seed: 822,
    found: 'a mounted volume whose memory could not be measured was answered as a final failure',
  },
  {
    scenario: 'secret sync',
    seed: 15,
    found: 'a Secret was written twice at once after its SecretSync was made again',
  },
  { scenario: 'secret sync', seed: 32, found: 'the same, in another order' },
  {
    scenario: 'pod identity',
    seed: 8761,
    found: 'an identity stayed on its machine when the answer to the write of its assignment was lost',
  },
  {
    scenario: 'vault events',
    seed: 31,
    found:
      'a redelivered event was lost, as the clock of its vault made it older than what an operator that ended had written',
  },
  { scenario: 'vault events', seed: 2, found: 'the same, by the clock of the operator' },
]
