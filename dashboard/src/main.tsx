/** The operator's pages: who is there, and then the house. */
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { forget, hasSession, signIn } from './api.ts';
import { wordsOf } from './hooks.ts';
import { House } from './house.tsx';
import { SignIn } from './pages/signIn.tsx';
import { applyTheme } from './theme.ts';
import './style/base.css';
import './style/parts.css';
import './style/pages.css';

applyTheme();

/** What stands behind `#` is an address of ours, or what a sign-in link holds. */
function takeLink(): string | undefined {
  const behind = location.hash.slice(1);
  if (behind === '' || behind.startsWith('/')) return undefined;
  history.replaceState(null, '', `${location.pathname}#/`);
  return behind;
}

function App({ link }: { readonly link: string | undefined }) {
  const [state, setState] = useState<'signing-in' | 'in' | 'out'>(link !== undefined ? 'signing-in' : hasSession() ? 'in' : 'out');
  const [words, setWords] = useState<string>();
  const enter = (code: string) =>
    signIn(code).then(
      () => setState('in'),
      (error: unknown) => {
        setWords(wordsOf(error));
        setState(hasSession() ? 'in' : 'out');
      },
    );
  useEffect(() => {
    if (link !== undefined) void enter(link);
    const leave = () => {
      forget();
      setState('out');
    };
    addEventListener('farebox:signed-out', leave);
    return () => removeEventListener('farebox:signed-out', leave);
  }, []);
  if (state === 'signing-in') return <p class="opening">Signing in …</p>;
  return state === 'in' ? <House onLeave={() => setState('out')} /> : <SignIn words={words} enter={enter} />;
}

const place = document.getElementById('app');
if (place !== null) render(<App link={takeLink()} />, place);
