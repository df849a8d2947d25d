/** `npm run check:architecture`: prints what breaks the rules of `architecture.ts`; fails when anything does. */
import { dirname } from 'node:path';
import { checkArchitecture } from './architecture.ts';

const findings = checkArchitecture(dirname(import.meta.dirname));
for (const { file, line, rule, message, isWarning } of findings) {
  console.log(`${isWarning ? 'warning' : 'error'} ${file}:${line} ${rule}: ${message}`);
}
process.exitCode = findings.some((each) => !each.isWarning) ? 1 : 0;
