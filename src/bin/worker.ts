import { checkClassTask, vaultObjectsTask } from '#azure/class'
import { signAssertionTask } from '#azure/identity'
import { readKeyMaterialTask } from '#lib/formats'
import { serveTasks } from '#lib/worker'

/** The worker threads of every daemon: tasks whose input a tenant wrote. */
serveTasks([checkClassTask, readKeyMaterialTask, signAssertionTask, vaultObjectsTask])
