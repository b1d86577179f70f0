import { runMain } from '#daemon'
import { createLog } from '#lib'
import { envFileProgram, writeEnvFile } from '#product/env-file'

runMain(envFileProgram, async (config) => {
  const variables = writeEnvFile(config)
  createLog({ name: 'env-file' }).info({ file: config.to, variables }, 'written')
  return 0
})
