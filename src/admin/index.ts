/**
 * `farebox/admin`: what an operator may see and change, as HTTP with a schema.
 */
export { type AdminClient, type AdminClientOptions, createAdminClient, requestOf } from './AdminClient.ts';
export { type AuditEntry, type AuditLog, type AuditOptions, type AuditVerdict, type Changed, createAuditLog } from './audit/AuditLog.ts';
export * as AdminToken from './auth/AdminToken.ts';
export { isScope, type Scope, scopes } from './auth/Scope.ts';
export { linkSeconds, mintLink } from './auth/Session.ts';
export { type ConfigChanging, type ConfigChangingOptions, createConfigChanging, noChanging } from './ConfigChanging.ts';
export { type Admin, type AdminOptions, createAdmin } from './createAdmin.ts';
export type { App, Connection, Pages } from './http/App.ts';
export { createDocument } from './OpenApi.ts';
export { type AdminContext, type Call, type Caller, type Difference, methodOf, type Operation, type Plan, pathOf } from './Operation.ts';
export { longestSeconds } from './operations/access.ts';
export { operations, operationsByName } from './operations/index.ts';
export { createPages } from './pages/createPages.ts';
export { type FieldKind, fromTexts, innermost, kindOf } from './Text.ts';
export { type AdminRights, type AdminTool, type AdminToolAnswer, toolsOf } from './tools.ts';
