/**
 * What a model would do, written down: it asks for the price, buys, and says what came.
 */

/** A step of a scripted model: the tools that it calls, or the words that it ends with. */
export type ScriptStep = { readonly calls: readonly { readonly name: string; readonly input: object }[] } | { readonly says: string };

/** Asks for a price, buys, looks at the receipts, and is done. */
export function buys(url: string): readonly ScriptStep[] {
  return [
    { calls: [{ name: 'quote', input: { url } }] },
    { calls: [{ name: 'fetch', input: { url, max: '15 sat' } }] },
    { calls: [{ name: 'list_receipts', input: {} }] },
    { says: 'It is "hola".' },
  ];
}

/** Buys a tool of an MCP server, and is done. */
export const buysTool: readonly ScriptStep[] = [
  { calls: [{ name: 'translator_translate', input: { text: 'hello', target: 'es' } }] },
  { says: 'It is "hola".' },
];
