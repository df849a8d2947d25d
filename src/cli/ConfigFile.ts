/**
 * Which configuration file a command means.
 */
import { existsSync } from 'node:fs';

/** The one named, or the one in this folder: `farebox.yaml`, or else `satgate.yaml`. */
export function configFile(named?: string): string {
  return named ?? names.find((name) => existsSync(name)) ?? names[0];
}

const names = ['farebox.yaml', 'satgate.yaml'] as const;
