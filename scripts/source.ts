/**
 * What the architecture check needs to know of one source file, read from its syntax tree: imports, names it uses, functions.
 */
import { parseAst } from 'vite';

/** One `import`, `export … from` or `import()`. */
export type Import = {
  /** As written. */
  readonly specifier: string;
  /** Nothing of it is left when the types are gone. */
  readonly isType: boolean;
  readonly line: number;
};

/** A name where it stands for something of the outside: not a property, not a key. Members are given as `Date.now`. */
export type Use = { readonly name: string; readonly line: number };

/** One function with a body. */
export type FunctionSpan = {
  readonly name: string;
  readonly line: number;
  /** Its lines, less those of the functions inside it, which are counted on their own. */
  readonly lines: number;
};

/** A file, taken apart. */
export type Source = {
  readonly imports: readonly Import[];
  readonly uses: readonly Use[];
  readonly functions: readonly FunctionSpan[];
  /** Names it exports by declaring them. */
  readonly exported: readonly string[];
  readonly lines: number;
};

type Node = { readonly type: string; readonly start: number; readonly end: number; readonly [key: string]: unknown };

/**
 * Takes a TypeScript file apart.
 *
 * @throws Error – the text is not TypeScript
 */
export function parseSource(text: string): Source {
  const lineOf = lineFinder(text);
  const imports: Import[] = [];
  const uses: Use[] = [];
  const functions: FunctionSpan[] = [];
  const exported: string[] = [];

  const visit = (node: Node, parent: Node | undefined): void => {
    const line = lineOf(node.start);
    const specifier = specifierOf(node);
    if (specifier !== undefined) imports.push({ specifier, isType: isTypeOnly(node), line });
    if (node.type === 'MemberExpression') uses.push(...memberUse(node, line));
    if (node.type === 'NewExpression' && asNode(node.callee)?.name === 'Date' && (node.arguments as unknown[]).length === 0) {
      uses.push({ name: 'new Date()', line });
    }
    if (node.type === 'Identifier' && !isLabel(node, parent)) uses.push({ name: String(node.name), line });
    if (isFunction(node)) functions.push({ name: functionName(node, parent), line, lines: ownLines(node, lineOf) });
    if (node.type === 'ExportNamedDeclaration') exported.push(...declaredNames(asNode(node.declaration)));
    for (const child of childrenOf(node)) visit(child, node);
  };
  visit(parseAst(text, { lang: 'ts' }) as unknown as Node, undefined);
  return { imports, uses, functions, exported, lines: text.replace(/\n$/, '').split('\n').length };
}

function asNode(value: unknown): Node | undefined {
  return typeof value === 'object' && value !== null && 'type' in value ? (value as Node) : undefined;
}

function childrenOf(node: Node): readonly Node[] {
  return Object.values(node)
    .flatMap((value) => (Array.isArray(value) ? value : [value]))
    .flatMap((value) => asNode(value) ?? []);
}

/** What an import names; undefined for anything else, and for an `import()` of what is only known when it runs. */
function specifierOf(node: Node): string | undefined {
  const importing = ['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration', 'ImportExpression', 'TSImportType'];
  if (!importing.includes(node.type)) return undefined;
  const value = asNode(node.source)?.value;
  return typeof value === 'string' ? value : undefined;
}

function isTypeOnly(node: Node): boolean {
  if (node.type === 'TSImportType' || node.importKind === 'type' || node.exportKind === 'type') return true;
  const specifiers = node.specifiers;
  if (!Array.isArray(specifiers) || specifiers.length === 0) return false;
  return specifiers.every((each: Node) => each.importKind === 'type' || each.exportKind === 'type');
}

/** `Date.now` and the like, as one name. */
function memberUse(node: Node, line: number): readonly Use[] {
  const object = asNode(node.object);
  const property = asNode(node.property);
  if (object?.type !== 'Identifier' || property?.type !== 'Identifier' || node.computed === true) return [];
  return [{ name: `${String(object.name)}.${String(property.name)}`, line }];
}

/** Whether an identifier only labels something: a property that is read, a key that is written, a name that is imported. */
function isLabel(node: Node, parent: Node | undefined): boolean {
  if (!parent) return false;
  if (parent.type === 'MemberExpression') return parent.property === node && parent.computed !== true;
  if (parent.type === 'TSQualifiedName') return parent.right === node;
  if (parent.type === 'Property') return parent.key === node && parent.shorthand !== true && parent.computed !== true;
  if (parent.type === 'ImportSpecifier') return parent.imported === node && parent.local !== node;
  const keyed = ['PropertyDefinition', 'MethodDefinition', 'TSPropertySignature', 'TSMethodSignature', 'TSNamedTupleMember', 'ExportSpecifier'];
  return keyed.includes(parent.type) && parent.computed !== true && (parent.key === node || parent.label === node || parent.exported === node);
}

function isFunction(node: Node): boolean {
  return ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'].includes(node.type) && asNode(node.body) !== undefined;
}

function functionName(node: Node, parent: Node | undefined): string {
  const named = asNode(node.id) ?? asNode(parent?.key) ?? asNode(parent?.id);
  return String(named?.name ?? 'a function without a name');
}

function ownLines(node: Node, lineOf: (offset: number) => number): number {
  const span = (each: Node) => lineOf(each.end) - lineOf(each.start);
  const inner = (each: Node): readonly Node[] => childrenOf(each).flatMap((child) => (isFunction(child) ? [child] : inner(child)));
  return 1 + span(node) - inner(node).reduce((sum, each) => sum + span(each), 0);
}

function declaredNames(declaration: Node | undefined): readonly string[] {
  const declared = [declaration, ...((declaration?.declarations as Node[] | undefined) ?? [])];
  return declared.flatMap((each) => {
    const name = asNode(each?.id)?.name;
    return typeof name === 'string' ? [name] : [];
  });
}

function lineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}
