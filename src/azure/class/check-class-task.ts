import { defineTask } from '#lib/worker'
import { checkClass } from './check-class.ts'

/** {@link checkClass} for a worker thread: the class is whatever was sent to the API server. */
export const checkClassTask = defineTask('check-class', checkClass)
