/**
 * `farebox/gateway`: a paywall in front of an upstream, as a server of its own.
 */
export {
  type ConfigSurroundings,
  createConfig,
  createRewritten,
  filesOfConfig,
  type GatewayConfig,
  type IntrospectionConfig,
  loadConfig,
  parseConfig,
  parseRewritten,
  type Rewritten,
  type RouteConfig,
  readChangesText,
  readConfigText,
  readValue,
  type SaleConfig,
  type TermsConfig,
} from './Config.ts';
export type { KeysChoice, ListenAddress, TermsChoice, UpstreamAddress } from './ConfigFields.ts';
export {
  explainWallet,
  type LightningChoice,
  type LnurlChoice,
  type ProductChoice,
  type ProductKind,
  type WalletConfig,
} from './ConfigLightning.ts';
export { explainWallets, type PayeesConfig, type Wallets } from './ConfigPayees.ts';
export { invoiceMsat, termsOf } from './ConfigRoutes.ts';
export { type SecretChoice, secretOf } from './ConfigSecrets.ts';
export { explainStore, isAddress, isServer, type PostgresChoice, placeOf, type RedisChoice, type ServerChoice, type StoreChoice } from './ConfigStore.ts';
export * as Changes from './config/Changes.ts';
export type { AdminConfig, CorsConfig, HealthConfig, LogLevel, LogsConfig, MetricsConfig } from './config/Running.ts';
export { explain, toJson } from './Explain.ts';
export { createGateway, type Gateway, type GatewayOptions, type Surroundings } from './Gateway.ts';
export { followKeyFile, type KeyFile, type KeyFollowing, type KeyFollowingOptions, openKeyText, type Passphrase, readKeyFile } from './KeyFile.ts';
export { isSealed, minPassphraseLength, seal, unseal } from './KeySeal.ts';
export * as KeyText from './KeyText.ts';
export { countedOnly, type Snapshot, sum } from './metrics/Snapshot.ts';
export type { Beside } from './running/Beside.ts';
export { type FileFollowing, followFiles } from './running/FileFollowing.ts';
export { assertSameStart } from './running/FixedAtStart.ts';
export type { RequestOutcome } from './Steps.ts';
