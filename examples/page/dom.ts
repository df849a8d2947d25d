/**
 * As much of a page as the example uses. What is put on it is text, never HTML: a seller's words can hold no markup.
 */

/** A part of the page. */
export type Part = {
  textContent: string | null;
  hidden: boolean;
  disabled: boolean;
  readonly append: (...children: readonly (Part | string)[]) => void;
  readonly replaceChildren: (...children: readonly (Part | string)[]) => void;
  readonly setAttribute: (name: string, value: string) => void;
  readonly addEventListener: (event: string, listener: () => void) => void;
  readonly focus: () => void;
  readonly scrollIntoView: (how: { readonly block: 'nearest' }) => void;
};

const { document } = globalThis as unknown as {
  readonly document: { readonly createElement: (tag: string) => Part; readonly getElementById: (id: string) => Part | null };
};

/** The part that page.html gives that id. */
export function part(id: string): Part {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`page.html has no #${id}`);
  return found;
}

/** A new part: `make('p', 'note', 'text')`. */
export function make(tag: string, className: string, ...children: readonly (Part | string)[]): Part {
  const made = document.createElement(tag);
  if (className !== '') made.setAttribute('class', className);
  made.append(...children);
  return made;
}

/** A button that does that. */
export function button(label: string, pressed: () => void): Part {
  const made = make('button', '', label);
  made.setAttribute('type', 'button');
  made.addEventListener('click', pressed);
  return made;
}
