import { checkClassTask } from '#azure/class'
import { serveTasks } from '#lib/worker'

/** The worker threads of every daemon: tasks whose input a tenant wrote. */
serveTasks([checkClassTask])
