import { rootCertificates } from 'node:tls'
import { Pool } from 'undici'
import { CONNECT_TIMEOUT_MS, CONNECTIONS, type Target, type TransportOptions } from './transport.ts'

const KEEP_ALIVE_MS = 30_000

/** The sockets of one server. */
export function openPool(target: Target, options: TransportOptions): Pool {
  return new Pool(target.origin, {
    connections: options.connections ?? CONNECTIONS,
    pipelining: 1,
    connectTimeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    ...(options.maxHeaderSize !== undefined && { maxHeaderSize: options.maxHeaderSize }),
    connect: {
      // said aloud, as Node would otherwise let a variable of the environment decide (S-04)
      rejectUnauthorized: options.insecure !== true,
      ...(options.ca !== undefined && { ca: [...rootCertificates, options.ca] }),
      ...(options.cert !== undefined && { cert: options.cert }),
      ...(options.key !== undefined && { key: options.key })
    },
    ...(target.socketPath === undefined ? {} : { socketPath: target.socketPath })
  })
}
