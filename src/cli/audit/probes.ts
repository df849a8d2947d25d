/**
 * All probes, in the order in which they run: what only looks comes first, what could set off a limit last.
 */
import { credentialProbes, garbage } from './credentialProbes.ts';
import { offerProbes } from './offerProbes.ts';
import { finding, type Outcome, ok, type Probe } from './Probe.ts';
import { paidProbes } from './paidProbes.ts';
import { mustRefuse } from './refusing.ts';
import { requestProbes } from './requestProbes.ts';
import type { Visit } from './Visit.ts';

/** Probes of what all answers have in common. */
const answerProbes: readonly Probe[] = [
  {
    name: 'clean-refusals',
    group: 'answers',
    asks: 'whether everything above was refused with a 4xx, and nothing broke',
    severity: 'breaks clients',
    means: 'a stranger makes the server fail with a line of text; clients take it for an outage and come back for more',
    mend: 'Read credentials and paths as text of a stranger: what cannot be read is answered 401 or 400.',
    run: cleanRefusals,
  },
  {
    name: 'echo',
    group: 'answers',
    asks: 'whether a preimage or a paid token stands in any answer, header or body',
    severity: 'leaks',
    means: 'logs, caches and pages of others get what opens the door; the API behind sees credentials',
    mend: 'Take the credential off before the request is forwarded, and repeat nothing of it in an error.',
    run: async (visit) => {
      if (visit.tried().length === 0) await mustRefuse(visit, garbage(visit));
      const echoes = visit.echoes();
      return echoes.length === 0 ? ok('in none of the answers') : finding(...echoes);
    },
  },
];

export const probes: readonly Probe[] = [...offerProbes, ...credentialProbes, ...paidProbes, ...requestProbes, ...answerProbes];

async function cleanRefusals(visit: Visit): Promise<Outcome> {
  if (visit.tried().length === 0) await mustRefuse(visit, garbage(visit));
  // 501 and 505 are the right words for a method and a version that nobody speaks.
  const failed = visit.tried().filter(({ status }) => status >= 500 && status !== 501 && status !== 505);
  return failed.length === 0 ? ok(`${visit.tried().length} tries, and none broke it`) : finding(...failed.map(({ what, status }) => `${what}: ${status}`));
}
