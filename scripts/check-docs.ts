/** `npm run check:docs`: prints what `docs.ts` finds in the words of the tree; fails when it finds anything. */
import { dirname } from 'node:path';
import { codes } from '../src/core/Errors.ts';
import { checkDecisions, checkErrors, checkForbidden, checkLinks, listTexts } from './docs.ts';

const root = dirname(import.meta.dirname);
const files = listTexts(root);
const errors = files.find((file) => file.path === 'docs/errors.md') ?? { path: 'docs/errors.md', text: '' };
const findings = [...checkErrors(errors, codes), ...checkLinks(root, files), ...checkDecisions(files), ...checkForbidden(files)];
for (const { file, message } of findings) console.log(`error ${file} ${message}`);
process.exitCode = findings.length === 0 ? 0 : 1;
