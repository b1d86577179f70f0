import { isMainThread } from 'node:worker_threads'
import { defineTask, serveTasks } from '#lib/worker'

/** Worker threads in which the check of a class never ends. */
const endless = defineTask('check-class', (): void => {
  for (;;) Math.random()
})

export const endlessClassCheckEntry = import.meta.filename

if (!isMainThread) serveTasks([endless])
