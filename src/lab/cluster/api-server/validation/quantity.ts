/** How an amount is written: `250m`, `1.5Gi`, `1e3`. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
export const quantityText = /^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$/

const factors: Record<string, number> = {
  ...{ n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
}

/** The amount as a number, precise enough to compare; 0 for a text that is not a quantity. */
export function quantityOf(value: unknown): number {
  const [, number = '0', suffix = ''] = quantityText.exec(String(value)) ?? []
  const exponent = /^[eE]([-+]?\d+)$/.exec(suffix)?.[1]
  return Number(number) * (exponent === undefined ? (factors[suffix] ?? 0) : 10 ** Number(exponent))
}
