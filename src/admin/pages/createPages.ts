/**
 * The operator's pages, as they were built: read once, and handed out from memory. What has the digest of its content in its name may be kept for good.
 *
 * Nothing in them runs in line, and they ask nobody but the listener that they came from.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Pages } from '../http/App.ts';

/** A file, and itself made smaller. */
type Kept = { readonly type: string; readonly bytes: Uint8Array<ArrayBuffer>; readonly small: Uint8Array<ArrayBuffer>; readonly isNamedByContent: boolean };

const types: { readonly [ending: string]: string | undefined } = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** What a page of ours may do. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/** Where the pages are once they are built: beside the program's own files, or where the source is run from. Undefined: they are not built. */
export function findPages(): string | undefined {
  const folders = ['../../dashboard', '../../../dist/dashboard'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  return folders.find((folder) => existsSync(join(folder, 'index.html')));
}

/** Answers `/` and the files that belong to it. @param folder - of the built pages; undefined: says how to build them */
export function createPages(folder: string | undefined = findPages()): Pages {
  if (folder === undefined) return async (path) => (path === '/' ? unbuilt() : undefined);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const kept = new Map(files.flatMap((file) => entryOf(folder, file)));
  return async (path, request) => {
    const file = kept.get(path === '/' ? '/index.html' : path);
    if (file === undefined) return undefined;
    const isSmall = /(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)/i.test(request.headers.get('accept-encoding') ?? '');
    const body = isSmall ? file.small : file.bytes;
    return new Response(request.method === 'HEAD' ? null : body, {
      headers: {
        'Content-Type': file.type,
        'Content-Length': String(body.length),
        'Content-Security-Policy': policy,
        'Cache-Control': file.isNamedByContent ? 'private, max-age=31536000, immutable' : 'no-cache',
        Vary: 'Accept-Encoding',
        ...(isSmall && { 'Content-Encoding': 'gzip' }),
      },
    });
  };
}

function entryOf(folder: string, file: string): readonly (readonly [string, Kept])[] {
  const type = types[extname(file)];
  if (type === undefined) return [];
  const bytes = new Uint8Array(readFileSync(join(folder, file)));
  const path = file.split(sep).join('/');
  return [[`/${path}`, { type, bytes, small: new Uint8Array(gzipSync(bytes, { level: 9 })), isNamedByContent: path.startsWith('assets/') }]];
}

function unbuilt(): Response {
  return new Response('The pages are not built here. Build them with: npm run build\nOn a terminal, everything is in: farebox admin\n', {
    status: 404,
    headers: { 'Content-Type': 'text/plain; charset=utf-8' },
  });
}
