/**
 * `farebox drivers`: the Lightning drivers, what each can do, and what it was tried against; `farebox drivers verify` tries one against the product
 * itself, for whoever has it.
 */
import type { Command } from 'commander';
import * as Amount from '../core/Amount.ts';
import { systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { type Drivers, type LightningHooks, type LightningNeed, lightningContract } from '../testing/lightningContract.ts';
import type { CliContext } from './Context.ts';
import { listDrivers } from './drivers/Listing.ts';
import { createMeter, type Meter } from './drivers/Meter.ts';
import { assertDriver, openPair, type Pair } from './drivers/Pair.ts';
import { type Verdict, verify } from './drivers/verify.ts';
import { printable, type Terminal, table } from './Terminal.ts';

type VerifyFlags = { readonly seller?: string; readonly buyer: string; readonly yes?: boolean; readonly realMoney?: boolean; readonly json?: boolean };

/** Adds `farebox drivers`. */
export function registerDrivers(program: Command, context: CliContext): void {
  const drivers = program.command('drivers').description('List the Lightning drivers with what each can do, or try one against the product itself.');
  drivers
    .command('list', { isDefault: true })
    .description('List them.')
    .option('--json', 'print JSON')
    .action((options: { readonly json?: boolean }) => list(context.terminal.withJson(options.json)));
  drivers
    .command('verify')
    .argument('<driver>', 'its name, such as phoenixd')
    .description('Run the contract of Lightning drivers on two wallets that are there: the one pays the other, small sums.')
    .option('--seller <file>', 'the configuration whose wallet is paid; default: farebox.yaml, or satgate.yaml where only that is there')
    .option('--buyer <wallet>', 'the connected wallet that pays (farebox wallet connect)', 'wallet')
    .option('-y, --yes', 'do not ask before money is spent')
    .option('--real-money', 'on bitcoin itself; refused without')
    .option('--json', 'print JSON, a line for each case')
    .addHelpText('after', verifyHelp)
    .action((driver: string, options: VerifyFlags) => verifyDriver({ ...context, terminal: context.terminal.withJson(options.json) }, driver, options));
}

/** The most that all cases together may cost, fees included. */
const ceilingMsat = Amount.fromSat(10_000);

const verifyHelp = `
It pays at most ${Amount.format(ceilingMsat)} from the one wallet to the other, fees included, and never more: the wallet that pays needs as much, and a
way to the one that is paid. One of the two is of the product; where both are, all of it is tried. What a real wallet cannot be made to do is left out.
Exit codes: 0 every case holds, 1 one does not; 2 and 7 as everywhere: it could not be run.

Examples:
  farebox drivers verify phoenixd --seller farebox.yaml --buyer wallet --real-money
  farebox drivers verify sandbox`;

function list(terminal: Terminal): void {
  const word = (can: boolean | undefined) => (can ? 'yes' : '–');
  const all = listDrivers();
  for (const { driver, sells, buys, triedAgainst } of all) {
    const can = { lookUp: sells?.lookup === true, watch: sells?.watch === true, msat: sells?.msat === true, feeLimit: buys?.feeLimit === true };
    terminal.data({ driver, sells: sells !== undefined, buys: buys !== undefined, ...can, triedAgainst });
  }
  const rows = all.map(({ driver, sells, buys, triedAgainst }) => [
    terminal.tone('strong', driver),
    ...[sells !== undefined, buys !== undefined, sells?.lookup, sells?.watch, sells?.msat, buys?.feeLimit].map(word),
    triedAgainst,
  ]);
  const [head = '', ...lines] = table([['driver', 'sells', 'buys', 'look-up', 'watch', 'msat', 'fee limit', 'tried against'], ...rows]);
  terminal.line(terminal.tone('quiet', head));
  for (const line of lines) terminal.line(line);
  terminal.line();
  terminal.line(terminal.tone('quiet', 'Try one against the product itself: farebox drivers verify <driver>'));
}

async function verifyDriver(context: CliContext, driver: string, options: VerifyFlags): Promise<void> {
  assertDriver(driver);
  const pair = await openPair(context, { driver, seller: options.seller, buyer: options.buyer });
  try {
    await prepare(context, driver, pair, options);
    if (!(await isWanted(context, pair, options))) return context.terminal.line('Nothing was done.');
    await runCases(context, driver, pair);
  } finally {
    await pair.close();
  }
}

/** Says what will be done, and holds the wallets against what it takes. @throws CONFIG_INVALID – real money without a word of it, or too little of it */
async function prepare({ terminal }: CliContext, driver: string, pair: Pair, { realMoney }: VerifyFlags): Promise<void> {
  const { network, seller, buyer } = pair;
  if (network === 'bitcoin' && !realMoney) {
    throw new FareboxError('CONFIG_INVALID', `These wallets hold real money. Say that you mean it: --real-money (at most ${Amount.format(ceilingMsat)}).`);
  }
  const { receiver, payer } = pair.open();
  try {
    const { alias } = await receiver.info();
    const spendableMsat = payer.capabilities.balance ? (await payer.balance()).spendableMsat : undefined;
    if (spendableMsat !== undefined && spendableMsat < ceilingMsat) {
      const has = Amount.format(spendableMsat);
      throw new FareboxError('CONFIG_INVALID', `The wallet that pays has ${has} to spend, and the cases need ${Amount.format(ceilingMsat)}.`);
    }
    terminal.data({ driver, network, seller, buyer, alias, spendable: spendableMsat && Amount.format(spendableMsat), atMost: Amount.format(ceilingMsat) });
    terminal.line(`${terminal.tone('strong', driver)} on ${network}`);
    terminal.line(`  paid   ${seller}, "${printable(alias)}"`);
    terminal.line(`  pays   ${buyer}${spendableMsat === undefined ? '' : `, ${Amount.format(spendableMsat)} to spend`}`);
    terminal.line(`  spends ${terminal.tone('money', Amount.format(ceilingMsat))} at most, from the one to the other, fees included`);
    terminal.line();
  } finally {
    await Promise.all([receiver.close(), payer.close()]);
  }
}

async function isWanted({ ask }: CliContext, { network }: Pair, { yes }: VerifyFlags): Promise<boolean> {
  if (yes || network === 'sandbox') return true;
  const answer = await ask('Go on? yes or no', 'no');
  if (answer === undefined) throw new FareboxError('CONFIG_INVALID', 'Nobody is here to be asked: add --yes.');
  return /^y(?:es)?$/i.test(answer);
}

async function runCases({ terminal, clock = systemClock, signal }: CliContext, driver: string, pair: Pair): Promise<void> {
  const meter = createMeter(ceilingMsat);
  const hooks = metered(pair, meter);
  const createSubject = () => {
    const { receiver, payer } = pair.open();
    return { receiver, payer: meter.wrap(payer), hooks };
  };
  const count = { ok: 0, failed: 0, 'left-out': 0 };
  for await (const verdict of verify({ cases: lightningContract, createSubject, clock, signal })) {
    count[verdict.kind] += 1;
    tell(terminal, verdict);
  }
  const { amountMsat, feeMsat, heldMsat } = meter.spent();
  const money = { paid: Amount.format(amountMsat), fees: Amount.format(feeMsat), held: Amount.format(heldMsat) };
  terminal.data({ driver, holds: count.ok, fails: count.failed, leftOut: count['left-out'], isWhole: !signal.aborted, ...money });
  terminal.line();
  const outcome = signal.aborted ? 'Called off.' : count.failed === 0 ? 'Every case that can be tried holds.' : `${count.failed} of them failed.`;
  terminal.line(`${terminal.tone(count.failed === 0 && !signal.aborted ? 'good' : 'bad', outcome)} ${count.ok} held, ${count['left-out']} were left out.`);
  terminal.line(terminal.tone('quiet', `Paid ${money.paid}, and ${money.fees} of fees.${heldMsat === 0n ? '' : ` ${money.held} may have been paid besides.`}`));
  if (count.failed > 0 || signal.aborted) process.exitCode = 1;
}

/** What is paid by drivers that a case opens itself counts as well. */
function metered({ hooks: { skewed, lettingNobodyIn } }: Pair, { wrap }: Meter): Pair['hooks'] {
  const counted = ({ receiver, payer }: Drivers): Drivers => ({ receiver, payer: wrap(payer) });
  return {
    ...(skewed && { skewed: (ms) => counted(skewed(ms)) }),
    ...(lettingNobodyIn && { lettingNobodyIn: () => counted(lettingNobodyIn()) }),
  };
}

function tell(terminal: Terminal, verdict: Verdict): void {
  const { name, kind } = verdict;
  if (kind === 'failed') {
    terminal.data({ case: name, verdict: kind, reason: verdict.reason });
    terminal.line(`${terminal.tone('bad', '✗')} ${name}`);
    terminal.line(`    ${terminal.tone('bad', printable(verdict.reason))}`);
  } else if (kind === 'left-out') {
    terminal.data({ case: name, verdict: kind, needs: verdict.needs });
    terminal.line(terminal.tone('quiet', `– ${name}: left out, ${explainNeeds(verdict.needs)}`));
  } else {
    terminal.data({ case: name, verdict: kind });
    terminal.line(`${terminal.tone('good', '✓')} ${name}`);
  }
}

/** What is done to a wallet in a case, and cannot be done to a real one from here. Every other need is an ability of the driver. */
const steering: { readonly [need in keyof LightningHooks]: string } = {
  advance: 'time to be moved',
  payerDown: 'a wallet to be taken down',
  receiverDown: 'a wallet to be taken down',
  failNext: 'a payment to be steered',
  hangNext: 'a payment to be steered',
  release: 'a payment to be steered',
  settleLateNext: 'a payment to be steered',
  losePreimageNext: 'a payment to be steered',
  overchargeNext: 'a payment to be steered',
  payExpiredNext: 'a payment to be steered',
  cancelInvoice: 'an invoice to be cancelled',
  payerSlow: 'a wallet to be made slow',
  receiverSlow: 'a wallet to be made slow',
  lettingNobodyIn: 'a wallet that needs a key',
  skewed: 'a clock of its own',
};

function explainNeeds(needs: readonly LightningNeed[]): string {
  const isSteered = (need: LightningNeed): need is keyof LightningHooks => need in steering;
  const lacking = needs.filter((need) => !isSteered(need));
  const taken = new Set(needs.filter(isSteered).map((need) => steering[need]));
  return [lacking.length > 0 ? `the driver lacks ${lacking.join(', ')}` : '', taken.size > 0 ? `it takes ${[...taken].join(' and ')}` : '']
    .filter(Boolean)
    .join('; ');
}
