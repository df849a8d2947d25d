/**
 * `show_budget`: what may be spent, and what is left of it.
 */
import { nowAt } from '../../core/Clock.ts';
import { formatAt } from '../../core/Time.ts';
import { type LimitState, leftMsatOf } from '../budget/LimitState.ts';
import { sayPeriod } from '../budget/windows.ts';
import { clientOf } from '../createClient.ts';
import * as Journal from '../Journal.ts';
import type { AgentTool } from './AgentTool.ts';
import { objectOf } from './input.ts';
import { plain } from './outside.ts';
import { toolOf } from './toolOf.ts';
import type { Workshop } from './Workshop.ts';
import { money } from './words.ts';

/** Makes the tool. */
export function budgetTool(shop: Workshop): AgentTool {
  return toolOf<object>(shop, {
    name: 'show_budget',
    title: 'Show the budget',
    description: 'Show every limit that binds payments: what is spent, held and left of it, and until when. Limits are the operator’s; no tool changes them.',
    inputSchema: objectOf({}),
    readOnly: true,
    run: async () => {
      const { budget, store, payer } = clientOf(shop.client);
      const states = await store.report({ budgets: budget.chain, nowAt: nowAt(shop.clock) });
      const spending = await store.spending();
      const isStopped = Journal.isStopped(spending);
      const hosts = budget.chain.flatMap(({ allow }) => (allow === undefined ? [] : [`Pays ${allow.join(', ')} alone.`]));
      const asking = budget.chain.flatMap(({ consentAboveMsat }) =>
        consentAboveMsat === undefined
          ? []
          : [`Above ${money(consentAboveMsat)} at once, somebody is asked${budget.ask ? '' : ', and nobody is there: it is not paid'}.`],
      );
      const stopped = isStopped ? [`Nothing is paid at all now: spending has been stopped${spending.stopNote ? ` (${plain(spending.stopNote)})` : ''}.`] : [];
      const play = payer.network === 'bitcoin' ? [] : [`The money is of the network ${payer.network}.`];
      return {
        text: [...stopped, ...states.map(sayState), ...hosts, ...asking, ...play].join('\n'),
        structured: { network: payer.network, stopped: isStopped, limits: states.map(stateData) },
        isError: false,
      };
    },
  });
}

function sayState(state: LimitState): string {
  const { budget, limit, spentMsat, heldMsat, endAt } = state;
  const whose = budget === '' ? 'Everything' : `Budget ${budget}`;
  const scope = `${limit.host === undefined ? '' : ` to ${limit.host}`}${limit.tag === undefined ? '' : ` tagged ${limit.tag}`}`;
  const most = `${whose}: at most ${money(limit.maxMsat)} ${sayPeriod(limit.per)}${scope}, fees included`;
  if (limit.per === 'request') return `${most}.`;
  const held = heldMsat === 0n ? '' : `, ${money(heldMsat)} held for payments whose end is not known`;
  return `${most}; ${money(spentMsat)} spent${held}, ${money(leftMsatOf(state))} left${endAt === undefined ? '' : ` until ${formatAt(endAt)}`}.`;
}

function stateData(state: LimitState): object {
  const { budget, limit, spentMsat, heldMsat, endAt } = state;
  const { per, host = null, tag = null, maxMsat } = limit;
  const counted =
    per === 'request'
      ? {}
      : { spent: money(spentMsat), held: money(heldMsat), left: money(leftMsatOf(state)), endsAt: endAt === undefined ? null : formatAt(endAt) };
  return { budget, per, host, tag, max: money(maxMsat), ...counted };
}
