/**
 * A magazine whose readers pay by the article, out of the wallet in their browser. README.md beside it says what there is to see.
 */
import { portSetting, untilStopped } from '../program.ts';
import { openSite } from './site.ts';

const site = await openSite(
  {
    'on-402': {
      title: 'The code that waited',
      teaser: 'Why the web has had a number for “Payment Required” since its first years, and nothing behind it.',
      paragraphs: [
        'When the numbers for answers were handed out, one was set aside: 402, Payment Required, “reserved for future use”. Somebody was sure that pages would be paid for as they are read, a little at a time.',
        'What was missing was the money. A card payment costs more than an article does, and asks for a name. So the number waited, and advertising came instead.',
        'A Lightning invoice fits into a header. It can ask for less than a cent, it says by itself that it was paid, and it asks nobody who they are. The number has found its use.',
      ],
    },
    'on-preimages': {
      title: 'Whoever knows it has paid',
      teaser: 'How 32 bytes became a receipt that anybody can check and nobody can make up.',
      paragraphs: [
        'The payee thinks of a number and publishes its hash. Whoever pays gets the number, and there is no other way to it: all who hand the money on give it away only for that number.',
        'So it proves the payment, to the seller who has to remember nothing, and to the buyer who keeps it. This article was opened with one.',
      ],
    },
    'on-macaroons': {
      title: 'They crumble, and never grow',
      teaser: 'A token that everybody can make worth less, and nobody worth more.',
      paragraphs: [
        'Add a line to a macaroon, and its signature is hashed on over the line. The old signature is gone, and there is no way back to it.',
        'That is why a program can hand a helper half of what it has bought, without asking the seller, and sleep well.',
      ],
    },
  },
  { port: portSetting() },
);
console.log(`Articles for 5 sat each (sandbox): ${site.url}`);
await untilStopped();
await site.close();
