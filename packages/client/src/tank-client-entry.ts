// what a small program needs, so that its start does not wait for the rest
export { isTankClientError, TankClientError } from './errors.ts'
export { createTankClient, TankClient, type TankClientOptions } from './tank-client.ts'
