/** Light or dark: as the machine is, or as the reader chose. */
import { useEffect, useState } from 'preact/hooks';

export type Theme = 'system' | 'light' | 'dark';

const place = 'farebox-theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

export function readTheme(): Theme {
  const kept = localStorage.getItem(place);
  return kept === 'light' || kept === 'dark' ? kept : 'system';
}

export function applyTheme(): void {
  const theme = readTheme();
  document.documentElement.dataset.scheme = theme === 'system' ? (dark.matches ? 'dark' : 'light') : theme;
  dispatchEvent(new Event('farebox:theme'));
}

export function chooseTheme(theme: Theme): void {
  if (theme === 'system') localStorage.removeItem(place);
  else localStorage.setItem(place, theme);
  applyTheme();
}

dark.addEventListener('change', applyTheme);

/** Which it is at present; charts are drawn anew with it. */
export function useScheme(): string {
  const [scheme, setScheme] = useState(document.documentElement.dataset.scheme ?? 'light');
  useEffect(() => {
    const change = () => setScheme(document.documentElement.dataset.scheme ?? 'light');
    addEventListener('farebox:theme', change);
    return () => removeEventListener('farebox:theme', change);
  }, []);
  return scheme;
}
