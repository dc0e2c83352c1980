export { ConfigError } from './config/config-error.ts'
export { type ConfigLayer, type ConfigSources, loadConfig } from './config/load-config.ts'
export { disconnectSignal } from './disconnect.ts'
export { continueIfExpected, isWaitingForContinue, sendContinue } from './expect-continue.ts'
export {
  type BodyRate,
  bodyRateGuard,
  DEFAULT_BODY_RATE,
  type FlowGuard,
  readerStallGuard
} from './flow-guards.ts'
export { type HealthOptions, health } from './health.ts'
export { type ParseJsonOptions, parseJson } from './json.ts'
export { allowedMethods, notFoundError } from './known-paths.ts'
export { createOutput } from './log-output.ts'
export { createLogger, LOGGER_OPTIONS } from './logging.ts'
export { problemStatus, problemTitle } from './problem-codes.ts'
export { logError, problemBody, problems } from './problems.ts'
export { imageApiErrorBody } from './raw-answers.ts'
export { redactUrls } from './redact.ts'
export type { HeaderLimits } from './request-checks.ts'
export { newRequestId, REQUEST_ID_HEADER, requestIds } from './request-ids.ts'
export {
  type ListenOptions,
  MAX_SOCKET_PATH,
  type RunningServer,
  type RunOptions,
  runServer
} from './run.ts'
export { secretsEqual } from './secrets.ts'
export { createServer, type ServerOptions } from './server.ts'
export { mutualTlsSection, type TlsConfig, tlsSection } from './tls/section.ts'
export { checkTls, openServerTls, type ServerTls, type ServerTlsOptions } from './tls/server-tls.ts'
export { toTankError } from './to-tank-error.ts'
export { newTokenSecret, tokenDigest } from './token-secret.ts'
