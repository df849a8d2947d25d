/**
 * A magazine whose readers pay by the article, with any Lightning wallet. README.md beside it says what there is to see.
 */
import { portSetting, untilStopped } from '../program.ts';
import { openSite } from './site.ts';

const site = await openSite(
  {
    'on-tolls': {
      title: 'The bridge that asked for nothing else',
      teaser: 'What a toll keeper needs to know about you, and what not.',
      paragraphs: [
        'A toll keeper looks at the coin and lifts the bar. He does not ask for a name, and he does not remember your face.',
        'Online, the bar has long been an account: an address, a password, a card, and somebody who loses all three. The coin was missing, not the bar.',
        'This article was opened by an invoice that somebody paid, from whatever device, and by a cookie that says no more than that.',
      ],
    },
    'on-tickets': {
      title: 'A ticket is not a receipt',
      teaser: 'Why whoever pays and whoever gets in may be two, and how a page tells them apart.',
      paragraphs: [
        'The wallet on your phone learns a number when it pays; your browser does not. So the number cannot be what lets the browser in.',
        'What lets it in is the ticket that it was given together with the invoice, before anybody paid. Nobody else has it.',
      ],
    },
  },
  { port: portSetting() },
);
console.log(`Articles for 5 sat each (sandbox): ${site.url}`);
await untilStopped();
await site.close();
