const stored = 'keymount-theme'
const themes = ['auto', 'light', 'dark'] as const

type Theme = (typeof themes)[number]

function theme(): Theme {
  const found = localStorage.getItem(stored)
  return themes.find((one) => one === found) ?? 'auto'
}

export function applyTheme(button: HTMLElement): void {
  const now = theme()
  if (now === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = now
  button.textContent = `Theme: ${now}`
}

/** Light, dark, or as the system has it. */
export function nextTheme(button: HTMLElement): void {
  const next = themes[(themes.indexOf(theme()) + 1) % themes.length] ?? 'auto'
  localStorage.setItem(stored, next)
  applyTheme(button)
}
