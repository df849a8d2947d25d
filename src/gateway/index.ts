/**
 * `farebox/gateway`: a paywall in front of an upstream, as a server of its own.
 */
export {
  type ConfigSurroundings,
  createConfig,
  type GatewayConfig,
  loadConfig,
  parseConfig,
  type RouteConfig,
  type SaleConfig,
  type TermsConfig,
} from './Config.ts';
export type { KeysChoice, ListenAddress, StoreChoice, TermsChoice, UpstreamAddress } from './ConfigFields.ts';
export {
  explainWallet,
  type LightningChoice,
  type LnurlChoice,
  type ProductChoice,
  type ProductKind,
  type SecretChoice,
  type WalletConfig,
} from './ConfigLightning.ts';
export { explainWallets, type PayeesConfig, type Wallets } from './ConfigPayees.ts';
export { invoiceMsat, termsOf } from './ConfigRoutes.ts';
export { explain, toJson } from './Explain.ts';
export { createGateway, type Gateway, type GatewayOptions } from './Gateway.ts';
export type { RequestOutcome } from './Steps.ts';
