/** Upstream's bucket bounds of both programs, in seconds. */
export const operationBuckets = [0.5, 1, 2, 3, 4, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100]
