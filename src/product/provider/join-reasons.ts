/** An event has 1,024 characters, of which about 200 are kubelet's and the driver's. */
export const eventRoom = 750
/** Room for reasons where the identity follows them. */
export const reasonsRoom = 600

export interface JoinedReasons {
  text: string
  /** All of them, where `text` leaves some out or cuts one off; otherwise undefined. */
  whole: string | undefined
}

/** As many reasons as there is room for, the first at least in part. @param omitted words for those from an index on, left out. */
export function joinReasons(
  reasons: readonly string[],
  maxLength: number,
  omitted: (from: number) => string,
): JoinedReasons {
  const whole = reasons.join('; ')
  if (whole.length <= maxLength) return { text: whole, whole: undefined }
  let text = cut(reasons[0] ?? '', maxLength)
  let count = 1
  for (const reason of reasons.slice(1)) {
    if (text.length + reason.length + 2 > maxLength) break
    text += `; ${reason}`
    count++
  }
  return { text: count === reasons.length ? text : `${text}; ${omitted(count)}`, whole }
}

function cut(reason: string, maxLength: number): string {
  return reason.length <= maxLength ? reason : `${reason.slice(0, maxLength - 1)}…`.toWellFormed()
}
