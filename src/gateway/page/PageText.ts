/**
 * What the payment page says, in the languages that it speaks, and which of them a browser is answered in.
 *
 * @see RFC 9110, section 12.5.4
 */

/** The words of a language. `{…}` is filled in. */
export type PageWords = {
  readonly direction: 'ltr' | 'rtl';
  readonly sat: string;
  readonly about: string;
  /** What a payment buys. */
  readonly once: string;
  readonly pass: string;
  readonly requests: string;
  readonly balance: string;
  readonly used: string;
  readonly open: string;
  readonly webln: string;
  readonly scan: string;
  readonly copy: string;
  readonly copied: string;
  readonly invoice: string;
  readonly left: string;
  readonly check: string;
  readonly renew: string;
  readonly reload: string;
  /** What has become of the payment. */
  readonly waiting: string;
  readonly paid: string;
  readonly over: string;
  readonly unknown: string;
  readonly none: string;
  readonly gone: string;
  readonly unsure: string;
  readonly ticket: string;
  /** What was paid for is asked for from elsewhere. */
  readonly elsewhere: string;
  readonly go: string;
  readonly withoutScript: string;
};

const en: PageWords = {
  direction: 'ltr',
  sat: '{n} sat',
  about: 'about {money}',
  once: 'Opens this once.',
  pass: 'Opens this in this browser for {time}.',
  requests: 'Pays for {n} requests from this browser.',
  balance: 'A balance of {money}, spent from this browser.',
  used: 'What you paid for has been used. It can be bought again here.',
  open: 'Open in a wallet',
  webln: 'Pay with the wallet in this browser',
  scan: 'Scan this with a Lightning wallet',
  copy: 'Copy',
  copied: 'Copied',
  invoice: 'Lightning invoice',
  left: 'Can be paid for {time} more',
  check: 'I have paid',
  renew: 'Get a new invoice',
  reload: 'Load again',
  waiting: 'Waiting for the payment',
  paid: 'Paid. One moment…',
  over: 'This invoice has expired unpaid.',
  unknown: 'The seller’s wallet does not answer right now. If you have paid, do not pay again: ask again in a moment.',
  none: 'This browser keeps no cookie of this site, and without one your payment cannot be recognised. Allow cookies here, then load this page again.',
  gone: 'This browser does not keep the ticket for this invoice any more: do not pay it. Load this page again.',
  unsure: 'The wallet did not confirm. If it has paid after all, this page goes on by itself.',
  ticket: 'No account needed: a cookie of this site is your ticket.',
  elsewhere: 'You have paid for this already. Opening it uses some of what you bought, so it is opened when you say so.',
  go: 'Open it now',
  withoutScript: 'Pay with a Lightning wallet, then press “I have paid”.',
};

const de: PageWords = {
  direction: 'ltr',
  sat: '{n} sat',
  about: 'etwa {money}',
  once: 'Öffnet dies einmal.',
  pass: 'Öffnet dies in diesem Browser für {time}.',
  requests: 'Bezahlt {n} Aufrufe aus diesem Browser.',
  balance: 'Ein Guthaben von {money} für diesen Browser.',
  used: 'Was bezahlt war, ist aufgebraucht. Hier kann es noch einmal gekauft werden.',
  open: 'In einer Wallet öffnen',
  webln: 'Mit der Wallet in diesem Browser bezahlen',
  scan: 'Mit einer Lightning-Wallet scannen',
  copy: 'Kopieren',
  copied: 'Kopiert',
  invoice: 'Lightning-Rechnung',
  left: 'Noch {time} lang zahlbar',
  check: 'Ich habe bezahlt',
  renew: 'Neue Rechnung holen',
  reload: 'Neu laden',
  waiting: 'Warten auf die Zahlung',
  paid: 'Bezahlt. Einen Moment …',
  over: 'Diese Rechnung ist unbezahlt abgelaufen.',
  unknown: 'Die Wallet des Verkäufers antwortet gerade nicht. Wer bezahlt hat, zahlt nicht noch einmal, sondern fragt gleich wieder nach.',
  none: 'Dieser Browser behält kein Cookie dieser Seite, und ohne eines lässt sich die Zahlung nicht wiedererkennen. Cookies hier erlauben, dann neu laden.',
  gone: 'Dieser Browser hat das Ticket zu dieser Rechnung nicht mehr: nicht mehr bezahlen, sondern diese Seite neu laden.',
  unsure: 'Die Wallet hat nichts bestätigt. Hat sie doch bezahlt, geht es hier von selbst weiter.',
  ticket: 'Ohne Konto: Ein Cookie dieser Seite ist die Eintrittskarte.',
  elsewhere: 'Das ist schon bezahlt. Öffnen verbraucht etwas vom Gekauften, darum erst auf einen Druck hin.',
  go: 'Jetzt öffnen',
  withoutScript: 'Mit einer Lightning-Wallet bezahlen, dann „Ich habe bezahlt“ drücken.',
};

const ar: PageWords = {
  direction: 'rtl',
  sat: '{n} ساتوشي',
  about: 'نحو {money}',
  once: 'يفتح هذا مرة واحدة.',
  pass: 'يفتح هذا في هذا المتصفح لمدة {time}.',
  requests: 'يدفع ثمن طلبات من هذا المتصفح عددها {n}.',
  balance: 'رصيد قدره {money} يُصرف من هذا المتصفح.',
  used: 'استُهلك ما دفعت ثمنه. يمكن شراؤه هنا من جديد.',
  open: 'افتح في محفظة',
  webln: 'ادفع بالمحفظة التي في هذا المتصفح',
  scan: 'امسح الرمز بمحفظة لايتنينغ',
  copy: 'نسخ',
  copied: 'نُسخت',
  invoice: 'فاتورة لايتنينغ',
  left: 'يمكن الدفع خلال {time}',
  check: 'لقد دفعت',
  renew: 'احصل على فاتورة جديدة',
  reload: 'أعد التحميل',
  waiting: 'في انتظار الدفع',
  paid: 'تم الدفع. لحظة من فضلك…',
  over: 'انتهت صلاحية هذه الفاتورة دون دفع.',
  unknown: 'لا تجيب محفظة البائع الآن. إن كنت قد دفعت فلا تدفع مرة أخرى، بل اسأل من جديد بعد لحظة.',
  none: 'لا يحتفظ هذا المتصفح بملف تعريف ارتباط لهذا الموقع، وبدونه لا يمكن التعرف على دفعتك. اسمح به هنا ثم أعد تحميل الصفحة.',
  gone: 'لم يعد هذا المتصفح يحتفظ بتذكرة هذه الفاتورة: لا تدفعها، بل أعد تحميل هذه الصفحة.',
  unsure: 'لم تؤكد المحفظة الدفع. إن كانت قد دفعت فستتابع هذه الصفحة من تلقاء نفسها.',
  ticket: 'لا حاجة إلى حساب: ملف تعريف ارتباط لهذا الموقع هو تذكرتك.',
  elsewhere: 'لقد دفعت ثمن هذا من قبل. فتحه يستهلك شيئًا مما اشتريته، ولذلك لا يُفتح إلا حين تطلب ذلك.',
  go: 'افتحه الآن',
  withoutScript: 'ادفع بمحفظة لايتنينغ ثم اضغط «لقد دفعت».',
};

/** Every language, by its tag; the first is spoken where none is asked for that is here. */
export const languages = { en, de, ar } as const satisfies { readonly [tag: string]: PageWords };

/** The tag of a language that the page speaks. */
export type Language = keyof typeof languages;

/** The language that a browser asks for most, of those that the page speaks. */
export function languageFor(accept: string): Language {
  let best: Language = 'en';
  let weight = 0;
  for (const range of accept.slice(0, 512).split(',')) {
    const [tag = '', q] = range.split(';').map((part) => part.trim().toLowerCase());
    const asked = q?.startsWith('q=') ? Number(q.slice(2)) : 1;
    const language = tag === '*' ? 'en' : (tag.split('-', 1)[0] as string);
    if (!Object.hasOwn(languages, language) || !(asked > weight)) continue;
    best = language as Language;
    weight = asked;
  }
  return best;
}

/** Words with what stands in braces filled in. */
export function fill(words: string, values: { readonly [name: string]: string }): string {
  return words.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
}
