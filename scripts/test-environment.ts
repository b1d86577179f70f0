/** Variables that describe a terminal or ask for colors: a test that reads output must not depend on where it was started. */
const ofTerminals =
  /^(TERM|TERMCAP|COLORTERM|COLUMNS|LINES|FORCE_COLOR|NO_COLOR|NODE_DISABLE_COLORS|CLICOLOR.*|GCC_COLORS|LS_COLORS|PAGER|EDITOR|VISUAL)$/

/** The environment of tests: as given, without the variables of terminals, of npm, and of a test runner around this one. */
export function testEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !ofTerminals.test(name) && !/^(npm_.*|NODE_TEST_CONTEXT)$/i.test(name)),
  )
}
