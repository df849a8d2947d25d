/** The door: how one gets in. */
import { useState } from 'preact/hooks';
import { Mark } from '../parts/icons.tsx';
import { Command, Field, Trouble } from '../parts/parts.tsx';

export function SignIn({ words, enter }: { readonly words: string | undefined; readonly enter: (code: string) => Promise<void> }) {
  const [link, setLink] = useState('');
  const submit = (event: Event) => {
    event.preventDefault();
    const code = link.trim().replace(/^.*#/, '');
    if (code !== '') void enter(code);
  };
  return (
    <main class="door">
      <div class="door-card">
        <Mark />
        <h1>Sign in to Farebox</h1>
        <p class="lead">
          The gateway printed a link when it started. It opens these pages once, within ten minutes. For another one, run this where the gateway runs:
        </p>
        <Command text="farebox admin link" />
        {words !== undefined && <Trouble words={words} />}
        <form onSubmit={submit}>
          <Field label="Or paste the link here">
            <input type="text" autocomplete="off" spellcheck={false} value={link} onInput={(event) => setLink(event.currentTarget.value)} />
          </Field>
          <button type="submit" class="button button-main" disabled={link.trim() === ''}>
            Sign in
          </button>
        </form>
      </div>
    </main>
  );
}
