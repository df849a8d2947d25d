/**
 * HTML as text that cannot be broken out of: whatever is put into a template is escaped, unless it is HTML already.
 *
 * @see HTML, section 13.1.2.3 (attribute values are always quoted here)
 */

/** HTML that is safe to put into other HTML. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What a template takes: nothing for `undefined`. */
export type Content = Html | string | number | undefined | readonly Html[];

/** A template: text in it is escaped. @example html`<p title="${words}">${words}</p>` */
export function html(parts: TemplateStringsArray, ...contents: readonly Content[]): Html {
  return new Html(parts.reduce((text, part, index) => text + textOf(contents[index - 1]) + part));
}

/** Text as it stands between tags, or in an attribute between double quotes. */
export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function textOf(content: Content): string {
  if (content === undefined) return '';
  if (content instanceof Html) return content.text;
  return typeof content === 'object' ? content.map(({ text }) => text).join('') : escapeText(String(content));
}
