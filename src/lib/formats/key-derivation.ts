/** Rounds of key derivation that one file may ask for: what writers use today is 2,048 to 100,000. */
const maxRounds = 200_000

/** Rounds of all derivations of one file: it has a MAC, and one for each encrypted part. */
const maxRoundsOfFile = 1_000_000

/** Counts the rounds of key derivation that a file asks for before they are computed. */
export interface RoundBudget {
  /** Throws for more rounds than are accepted, at once or in sum. */
  spend(rounds: number): void
}

export function createRoundBudget(): RoundBudget {
  let left = maxRoundsOfFile
  return {
    spend(rounds) {
      if (!(rounds >= 0 && rounds <= maxRounds)) {
        throw new Error(`its password is stretched by ${rounds} rounds, at most ${maxRounds} are accepted`)
      }
      left -= rounds
      if (left < 0) throw new Error(`its parts are encrypted with more than ${maxRoundsOfFile} rounds together`)
    },
  }
}
