/** The wallet by itself, for pages that bring everything else: `installWallet` of the page. */
import { install } from './wallet.ts';

Object.assign(globalThis, { installWallet: install });
