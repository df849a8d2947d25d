/**
 * What a server's tools cost, as it said when they were listed last: what an agent has budgeted by. No promise and no authority; a price above it
 * is asked about.
 */
import * as Amount from '../../core/Amount.ts';
import * as ToolPayment from '../ToolPayment.ts';

/** Prices by the name of the tool. */
export type AdvertisedPrices = {
  readonly of: (tool: string) => Amount.Msat | undefined;
  /** Reads a page of a listing; the first one takes the place of all that was said before. */
  readonly read: (result: unknown, isFirstPage: boolean) => void;
};

/** Nothing said yet. */
export function createAdvertisedPrices(): AdvertisedPrices {
  const prices = new Map<string, Amount.Msat>();
  return {
    of: (tool) => prices.get(tool),
    read: (result, isFirstPage) => {
      if (isFirstPage) prices.clear();
      const { tools } = result as { readonly tools?: unknown };
      if (!Array.isArray(tools)) return;
      for (const tool of tools as readonly { readonly name?: unknown; readonly _meta?: unknown }[]) {
        const said = ToolPayment.parseAdvertisement(tool?._meta);
        if (typeof tool?.name === 'string' && said) prices.set(tool.name, Amount.fromSat(said.saidSat));
      }
    },
  };
}
